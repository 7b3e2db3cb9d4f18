import inspect

from studbook import errors


def test_the_tree_in_the_docstring_names_every_error_and_no_other():
    drawn = {
        word
        for word in (errors.__doc__ or "").replace("├──", " ").replace("└──", " ").split()
        if word in vars(errors)
    }
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert drawn == classes


def test_every_error_is_a_studbook_error():
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert all(issubclass(cls, errors.StudbookError) for cls in classes)
