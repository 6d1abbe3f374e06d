"""Settings under which OR-Tools' routing library does well here. Imported inside a worker alone.

Its default (guided local search) ends 3 to 4 % above the best known on VRPTW with 100 customers; ruin and
recreate by strings of neighbours (SISR), annealed, without the local search after each step, about 2 %.
"""

from google.protobuf import text_format
from ortools.constraint_solver import pywrapcp, routing_enums_pb2, routing_parameters_pb2

_ITERATED = """
    use_iterated_local_search: true
    iterated_local_search_parameters {
        ruin_recreate_parameters {
            ruin_strategies {
                sisr { max_removed_sequence_size: 10 avg_num_removed_visits: 10 bypass_factor: 0.5 }
            }
            ruin_composition_strategy: RUN_ONE_RANDOMLY
        }
        improve_perturbed_solution: false
        reference_solution_acceptance_strategy {
            simulated_annealing { initial_temperature: 100 final_temperature: 1 }
        }
    }
"""


def iterated(seconds: float) -> routing_parameters_pb2.RoutingSearchParameters:
    """For `SolveWithIteratedLocalSearch`."""
    found = _limited(seconds)
    text_format.Merge(_ITERATED, found)
    found.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GREEDY_DESCENT
    return found


def guided(seconds: float) -> routing_parameters_pb2.RoutingSearchParameters:
    """For `SolveFromAssignmentWithParameters`: guided local search, which goes on after the first local
    optimum."""
    found = _limited(seconds)
    found.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    return found


def _limited(seconds: float) -> routing_parameters_pb2.RoutingSearchParameters:
    found = pywrapcp.DefaultRoutingSearchParameters()
    found.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
    found.time_limit.FromMilliseconds(max(1, int(seconds * 1000)))
    return found
