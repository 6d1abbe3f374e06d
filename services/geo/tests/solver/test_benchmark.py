"""Public instances: read exactly, solved legally, checked without belief, and bad files refused by name."""

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from functools import partial
from itertools import pairwise
from math import isqrt
from pathlib import Path
from random import Random

import pytest

from geo.__main__ import main
from geo.solver.benchmark import command, text
from geo.solver.benchmark.instance import Instance, faults
from geo.solver.benchmark.text import BadInstance
from geo.solver.pool import PoolOptions

HERE = Path(__file__).parent / "instances"

R112_BEST = """
2 41 22 75 56 23 67 39 25 55 54 / 6 94 95 87 42 43 15 57 58 / 12 80 68 24 29 3 77 50 / 18 83 60 99 93 85 98 92
59 96 / 27 69 33 81 9 51 30 32 90 10 70 / 28 76 79 78 34 35 71 65 66 20 1 / 31 62 19 11 63 64 49 36 47 48 / 52
88 7 82 8 46 45 17 84 5 89 / 53 40 21 73 74 72 4 26 / 61 16 86 38 14 44 91 100 37 97 13
"""
C104_BEST = """
5 3 7 8 11 9 6 4 2 1 75 / 13 17 18 19 15 16 14 12 10 / 20 24 25 27 29 30 28 26 23 22 21 / 32 33 31 35 37 38
39 36 34 / 43 42 41 40 44 45 46 48 51 50 52 49 47 / 55 54 53 56 58 60 59 57 / 67 65 62 74 72 61 64 68 66 69
/ 81 78 76 71 70 73 77 79 80 63 / 90 87 86 83 82 84 85 88 89 91 / 98 96 95 94 92 93 97 100 99
"""
R201_BEST = """
5 83 45 82 47 36 49 46 48 / 27 31 63 64 11 19 62 88 7 18 8 84 17 91 100 93 60 89 / 28 12 29 76 50 3 54 26 /
33 65 71 9 51 81 79 78 34 35 68 77 / 42 15 2 73 21 40 87 57 43 37 97 96 13 58 / 52 69 30 90 10 20 66 32 70 1
/ 72 39 67 23 75 22 41 56 74 4 55 25 24 80 / 95 59 92 98 14 38 44 16 61 86 85 99 94 6 53
"""
"""As CVRPLIB has them, at 948.6, 822.9 and 1143.2."""


@pytest.fixture
def by_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds are those of a core, for what no busy machine may fail to find."""
    jobs = "services.geo.tests.support.core_jobs"
    monkeypatch.setattr(command, "PoolOptions", partial(PoolOptions, jobs=jobs))


def solomon(name: str) -> Instance:
    return text.solomon((HERE / f"{name}.txt").read_text())


def routes_of(words: str) -> list[list[int]]:
    return [[int(word) for word in route.split()] for route in words.split("/")]


@pytest.mark.parametrize(
    ("name", "answer", "distance", "capacity"),
    [("r112", R112_BEST, 9486, 200), ("c104", C104_BEST, 8229, 200), ("r201", R201_BEST, 11432, 1000)],
)
def test_a_published_answer_has_the_published_distance_and_is_legal(
    name: str, answer: str, distance: int, capacity: int
) -> None:
    instance = solomon(name)
    routes = routes_of(answer)
    assert faults(instance, routes) == []
    assert instance.distance(routes) == distance
    told = instance.name, instance.customers, instance.vehicles, instance.capacity
    assert told == (name.upper(), 100, 25, capacity)


def test_legs_are_cut_and_never_rounded() -> None:
    instance = _tiny(["0 0 0 0 0 1000 0", "1 1 1 1 0 1000 0", "2 0 3 1 0 1000 0"])
    assert instance.travel[0][1:] == (14, 30)  # 1.414 and 3
    assert instance.travel[1][2] == 22  # 2.236
    assert _tiny(["0 0.05 0 0 0 99 0", "1 3.05 4 1 0 99 0"]).travel[0][1] == 50


def test_the_check_sees_every_fault() -> None:
    instance = solomon("r112")
    routes = routes_of(R112_BEST)
    assert "every customer" in faults(instance, routes[1:])[0]
    assert "every customer" in faults(instance, [[*routes[0], 2], *routes[1:]])[0]
    assert "without customers" in faults(instance, [*routes, []])[0]
    assert any("too late" in fault for fault in faults(instance, [routes[0][::-1], *routes[1:]]))
    assert any("load" in fault for fault in faults(instance, [routes[0] + routes[1], *routes[2:]]))
    few = Instance.of({**instance.document, "vehicles": 9})
    assert faults(few, routes) == ["10 vehicles, and there are 9"]


def test_a_customer_is_reached_at_the_last_instant_and_not_one_later() -> None:
    rows = ["0 0 0 0 0 100 0", "1 10 0 1 0 {due} 5"]
    assert faults(_tiny([row.format(due=10) for row in rows]), [[1]]) == []
    assert "too late" in faults(_tiny([row.format(due=9.9) for row in rows]), [[1]])[0]
    back = ["0 0 0 0 0 {due} 0", "1 10 0 1 0 100 5"]
    assert faults(_tiny([row.format(due=25) for row in back]), [[1]]) == []
    assert "too late" in faults(_tiny([row.format(due=24.9) for row in back]), [[1]])[0]


@pytest.mark.parametrize(("name", "best"), [("rc208", 776.1), ("r101", 1637.7), ("r112", 948.6)])
def test_solving_from_the_command_line(name: str, best: float, capsys: pytest.CaptureFixture[str]) -> None:
    code = _run([str(HERE / f"{name}.txt"), "--seconds", "1", "--seed", "3"])
    said = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert code == 0
    assert best <= float(said["distance"]) <= best * 1.2  # one second, on a machine that may be busy
    assert sum(line.startswith("route") for line in said) == 1
    assert said["engine"].startswith("pyvrp, 1 s (")
    assert said["engine"].endswith("s on a core), seed 3")


@pytest.mark.usefixtures("by_the_core")
@pytest.mark.parametrize("engine", ["auto", "ortools"])
@pytest.mark.parametrize(("name", "best"), [("n20w20.001", "378"), ("n20w100.003", "310")])
def test_one_vehicle_meets_every_window(
    name: str, best: str, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(HERE / f"{name}.txt"), "--format", "tsptw", "--seconds", "1", "--engine", engine]
    code = _run(words)
    said = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert code == 0
    assert said["vehicles"] == "1"
    if engine == "auto":
        assert said["distance"] == best
    assert int(said["distance"]) >= int(best)


def test_no_legal_answer_is_said_and_is_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = tmp_path / "impossible.txt"
    nowhere.write_text("3\n0 5 5\n5 0 5\n5 5 0\n0 100\n6 6\n6 6\n")
    assert _run([str(nowhere), "--format", "tsptw", "--seconds", "0.5"]) == 1
    assert "no legal answer was found in 0.5 s" in capsys.readouterr().out


def test_the_forms_of_tsptw_say_the_same() -> None:
    plain = text.tsptw((HERE / "n20w20.001.txt").read_text())
    lines = (HERE / "n20w20.001.txt").read_text().splitlines()
    windows = [line.split() for line in lines[22:]]
    rows = [" ".join(window[at] for window in windows) for at in (0, 1)]
    assert text.tsptw("\n".join([*lines[1:22], *rows])) == plain
    dumas = (
        "!! n2w9  1 2\n\nCUST NO.   XCOORD.   YCOORD.    DEMAND   READY TIME   DUE DATE   SERVICE TIME\n\n"
        "0 0.00 0.00 0.00 0.00 99.00 0.00\n1 1.00 1.00 0.00 5.00 9.00 0.00\n999 0 0 0 0 0 0\n"
    )
    read = text.tsptw(dumas)
    assert (read.name, read.vehicles, read.travel, read.ready, read.due) == (
        *("n2w9", 1),
        *(((0, 1), (1, 0)), (0, 5), (99, 9)),
    )
    published = dumas.replace("\n1 1.00", "\n2 1.00").replace("\n0 0.00", "\n1 0.00").replace("\n", "\r\n")
    assert text.tsptw(published) == replace(read, first=1)


@pytest.mark.usefixtures("by_the_core")
def test_customers_are_told_by_their_numbers_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The depot of the published files of Dumas and Gendreau is customer 1."""
    file = tmp_path / "n3.txt"
    rows = ["1 0 0 0 0 99 0", "2 5 0 0 40 50 0", "3 2 0 0 0 9 0", "999 0 0 0 0 0 0"]
    file.write_text("\n".join(["!! n3 1 2", "CUST NO. XCOORD. YCOORD. DEMAND", *rows]) + "\n")
    assert _run([str(file), "--format", "tsptw", "--seconds", "0.3"]) == 0
    assert "distance  10\nroute   1  3 2\n" in capsys.readouterr().out


def test_a_published_file_of_gehring_and_homberger_ends_with_eof() -> None:
    """In the last line alone; numbers after it, or another word, are a mistake."""
    written = homberger(8, 1)
    assert text.solomon(written + "EOF") == text.solomon(written)
    assert text.solomon((written + "EOF\n\n").replace("\n", "\r\n")) == text.solomon(written)
    for wrong in ("EOF 1", "EOF\nEOF", "END"):
        with pytest.raises(BadInstance, match=r"line 19: 'E\w+' is no number"):
            text.solomon(written + wrong)


@pytest.mark.parametrize(
    ("reader", "content", "told"),
    [
        (text.solomon, "", "line 1: the file is empty"),
        (text.solomon, "NAME\n1 2 3 4 5 6 7\n", "line 2: the number of vehicles"),
        (text.solomon, "X\n25 200\n", "line 2: there are no customers"),
        (text.solomon, "X\n25 200\n0 1 1 0 0 9 0\n1 1 1 0 0 9\n", "line 4: a customer has 7 numbers"),
        (text.solomon, "X\n25 200\n0 1 1 0 0 9 0\n2 1 1 0 0 9 0\n", "line 4: customer 2 where 1 is next"),
        (text.solomon, "X\n25 200\n0 1 1 0 0 9 0\n1 1 1 0 9 8 0\n", "line 4: the time window ends before"),
        (text.solomon, "X\n0 200\n0 1 1 0 0 9 0\n1 1 1 0 0 9 0\n", "line 2: there are no vehicles"),
        (text.solomon, "X\n2 200\n0 1 1 0 0 9 0\n1 1 1 -4 0 9 0\n", "line 4: -4 is negative"),
        (text.solomon, "X\n2 200\n0 1 1 0 0 9 0\n1 1 1 0.5 0 9 0\n", "line 4: 0.5 is no whole number"),
        (text.tsptw, "", "is empty"),
        (text.tsptw, "3\n0 1 2\n1 0 2\n", "line 3: the travel times end after 2 rows"),
        (text.tsptw, "2\n0 1\n1 0\n0 9\n", "line 4: there are 1 time windows, and 2 places"),
        (text.tsptw, "2\n0 1\n1 zero\n0 9\n0 9\n", "line 3: 'zero' is no number"),
        (
            text.solomon,
            "X\n2 200\n0 1 1 0 0 9 0\n\n1 1 1 0 0 9 0\nO 1 1 0 0 9 0\n",
            "line 6: 'O' is no number",
        ),
        (text.solomon, "X\n2 200\n0 1 1 0 0 9 0\n1 1 1e999999999 0 0 9 0\n", "line 4: '1e999999999' is no"),
        (text.solomon, "X\n2 200\n0 1 1 0 0 9 0\n1 1/3 1 0 0 9 0\n", "line 4: '1/3' is no number"),
        (text.solomon, "X\n2 200\n0 1 1 0 0 9 0\n1 1 1 nan 0 9 0\n", "line 4: 'nan' is no number"),
        (text.solomon, "X\n2 200\n0 1 1 0 0 9 0\n1 1 1 0 0 9999999999999 0\n", "line 4: .* too large"),
        (text.tsptw, "# a\n\n2\n0 1\n1 0 2\n0 9\n0 9\n", "line 5: 3 travel times where"),
        (text.tsptw, "# a\n2\n0 1\n1 0\n0 9\n9 5\n", "line 6: the time window ends before"),
        (text.tsptw, "# a\n2\n0 1\n1 0\n0 9\n5 9\n1 2\n", "line 7: there are 3 time windows, and 2"),
        (text.tsptw, "# a\n2\n0 1\n-1 0\n0 9\n5 9\n", "line 4: -1 is negative"),
        (text.tsptw, "# nothing\n", "nothing but comments"),
        (text.tsptw, "!! n1\nCUST NO.\n\n0 0 0 0 0 9 0\n1 0 0 0 0 9\n", "line 5: a customer has 7"),
        (text.tsptw, "!! n1\nCUST NO.\n0 0 0 0 0 9 0\n1 0 0 0 0 9 0\nend\n", "line 5: 'end' is no number"),
        (text.tsptw, "!! n1\nCUST NO.\n1 0 0 0 0 9 0\n1 0 0 0 0 9 0\n", "line 4: customer 1 where 2 is next"),
        (text.tsptw, "!! n1\nCUST NO.\n2 0 0 0 0 9 0\n3 0 0 0 0 9 0\n", "line 3: customer 2 where 0 is next"),
        (text.solomon, "X\n2 200\n1 1 1 0 0 9 0\n2 1 1 0 0 9 0\n", "line 3: customer 1 where 0 is next"),
    ],
)
def test_a_bad_file_is_refused_by_name(reader: object, content: str, told: str) -> None:
    assert callable(reader)
    with pytest.raises(BadInstance, match=told):
        reader(content)


def homberger(customers: int, seed: int) -> str:
    """A legal instance in the form of Gehring & Homberger: a vehicle each would do."""
    random = Random(seed)
    lines = [
        f"H{customers}_{seed}",
        "",
        "VEHICLE",
        "NUMBER     CAPACITY",
        f"  {customers // 4}         200",
        "",
    ]
    lines += [
        "CUSTOMER",
        "CUST NO.  XCOORD.    YCOORD.    DEMAND   READY TIME  DUE DATE   SERVICE   TIME",
        "",
    ]
    lines.append("    0      70         70          0          0       1351          0")
    for number in range(1, customers + 1):
        x, y, ready = random.randint(0, 140), random.randint(0, 140), random.randint(150, 900)
        late = ready + random.randint(60, 300)
        lines.append(
            f"{number:5d} {x:7d} {y:10d} {random.randint(1, 30):10d} {ready:10d} {late:10d} {10:10d}"
        )
    return "\n".join(lines) + "\n"


@pytest.mark.usefixtures("by_the_core")
def test_hundreds_of_customers_are_solved_and_every_route_is_legal_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checked from the file itself, in decimals: no code of the reader or of the solver is asked."""
    file = tmp_path / "h400.txt"
    file.write_text(homberger(400, 5))
    assert _run([str(file), "--format", "homberger", "--seconds", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = dict(line.split(None, 1) for line in lines)
    routes = [[int(word) for word in line.split()[2:]] for line in lines if line.startswith("route")]
    rows = [[int(word) for word in line.split()] for line in file.read_text().splitlines()[9:]]
    total = sum(_driven_by_hand(rows, route) for route in routes)
    assert sorted(one for route in routes for one in route) == list(range(1, 401))
    assert said["distance"] == str(total)
    assert int(said["vehicles"]) == len(routes) <= 100


def _driven_by_hand(rows: list[list[int]], route: list[int]) -> Decimal:
    """The distance, after asserting that the load fits and nobody is late."""
    assert sum(rows[one][3] for one in route) <= 200
    now, total, at = Decimal(0), Decimal(0), 0
    for one in [*route, 0]:
        (_, ax, ay, *_), (_, bx, by, *_) = rows[at], rows[one]
        square = Decimal((ax - bx) ** 2 + (ay - by) ** 2)
        leg = square.sqrt().quantize(Decimal("0.1"), rounding=ROUND_DOWN)
        now = max(now + leg, Decimal(rows[one][4]))
        assert now <= rows[one][5]
        now, total, at = now + rows[one][6], total + leg, one
    return total


@pytest.mark.usefixtures("by_the_core")
def test_tight_windows_of_one_vehicle_are_met_before_anything_is_shortened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tour of 60 is drawn, and windows are put around its times: legal, and far from the shortest tour."""
    random = Random(3)
    points = [(random.randint(0, 50), random.randint(0, 50)) for _ in range(61)]
    travel = [[isqrt((ax - bx) ** 2 + (ay - by) ** 2) for bx, by in points] for ax, ay in points]
    now, windows = 0, {0: (0, 10_000)}
    for before, one in pairwise(range(61)):
        now += travel[before][one]
        windows[one] = max(0, now - random.randint(0, 30)), now + random.randint(0, 30)
    rows = [" ".join(map(str, row)) for row in travel]
    file = tmp_path / "tight.txt"
    file.write_text("\n".join(["61", *rows, *(f"{a} {b}" for _, (a, b) in sorted(windows.items()))]) + "\n")
    assert _run([str(file), "--format", "tsptw", "--seconds", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (route,) = [[int(word) for word in line.split()[2:]] for line in lines if line.startswith("route")]
    assert sorted(route) == list(range(1, 61))
    clock, total = 0, 0
    for before, one in pairwise([0, *route]):
        clock, total = max(clock + travel[before][one], windows[one][0]), total + travel[before][one]
        assert clock <= windows[one][1]
    assert f"distance  {total + travel[route[-1]][0]}" in lines


def test_what_cannot_be_read_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    binary = tmp_path / "noise"
    binary.write_bytes(bytes(range(256)) * 40)
    for file in (tmp_path / "nobody's", tmp_path, binary):
        assert _run([str(file)]) == 2
        assert str(file) in capsys.readouterr().err
    for words in (["--seconds", "0"], ["--seconds", "-1"], ["--seconds", "1e9"], ["--seed", "-1"]):
        assert _run([str(HERE / "r101.txt"), *words]) == 2


def _tiny(rows: list[str]) -> Instance:
    return text.solomon("\n".join(["tiny", "2 10", *rows]))


def _run(words: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["solve", *words])
    return int(str(ended.value.code or 0))
