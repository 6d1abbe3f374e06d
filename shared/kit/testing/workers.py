"""Which worker of a test run takes which file: two of them run stacks, the others never wait for one."""

from collections.abc import Iterable

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

STACKS = 2
"""Workers that take the tests across services, each of which starts a stack of its own for them."""

ACROSS = "tests/"
"""Where these tests lie: they wait much, and what they wait for are processes of their stack."""


def first_without_stack(files: Iterable[str]) -> str | None:
    """The first of the files that needs no stack, None when all of them do."""
    return next((file for file in files if not file.startswith(ACROSS)), None)


class Files(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """A file at a time as `--dist loadfile`, in the order of the collection; workers beyond the first two
    take other files than those of `ACROSS` as long as there are any."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self.nodes.index(node) >= STACKS:
            file = first_without_stack(self.workqueue)
            if file is not None:
                self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)
