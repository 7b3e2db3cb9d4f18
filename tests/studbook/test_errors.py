import inspect

from studbook import errors


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
