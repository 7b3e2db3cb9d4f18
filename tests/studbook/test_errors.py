import errno
import inspect

from studbook import errors
from studbook.errors import remedy


def error_classes() -> dict[str, type[BaseException]]:
    """The module also holds what errors carry."""
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, BaseException)
    }


def test_the_tree_in_the_docstring_names_every_error_and_no_other():
    drawn = {
        word
        for word in (errors.__doc__ or "").replace("├──", " ").replace("└──", " ").split()
        if word in vars(errors)
    }
    assert drawn == set(error_classes())


def test_every_error_is_a_studbook_error():
    assert all(issubclass(cls, errors.StudbookError) for cls in error_classes().values())


def test_more_processes_are_advised_only_where_one_was_started():
    """A write to a pipe that takes nothing more fails with the same number."""
    error = BlockingIOError(errno.EAGAIN, "write could not complete without blocking")
    assert remedy(error) == "Write to a file, or to a pipe whose reader keeps up"
    assert remedy(error, starts_process=True).startswith("Allow more processes (`ulimit -u`)")
