"""Which way of changing files a model is recommended: the user's word, else what `config/edit_formats.yaml` says."""

from fnmatch import fnmatchcase
from functools import cache

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.models import EditFormat, ModelSpec
from equitr_coder.domain.value import Value
from equitr_coder.settings.fields import Text, Texts
from equitr_coder.settings.files import read_optional
from equitr_coder.settings.records import parse_record
from equitr_coder.settings.shipped import config_dir


class FormatEntry(Value):
    models: Texts
    """Patterns over whole names in small letters."""
    format: EditFormat

    def is_for(self, name: str) -> bool:
        return any(fnmatchcase(name.lower(), pattern) for pattern in self.models)


class EditFormats(Value):
    date: Text
    """When the list was last looked through; models change."""
    formats: tuple[FormatEntry, ...]

    def recommended(self, spec: ModelSpec) -> EditFormat:
        """What the model's own configuration says, else the first entry that fits its name, else `edit_file`."""
        if spec.edit_format != "auto":
            return spec.edit_format
        return next((entry.format for entry in self.formats if entry.is_for(spec.name)), "edit_file")


@cache
def edit_formats() -> EditFormats:
    """The list that ships; it does not change while the program runs."""
    path = config_dir() / "edit_formats.yaml"
    text = read_optional(path)
    if text is None:
        raise UserError("the product's own edit_formats.yaml is missing", hint="install equitrcoder again")
    return parse_record(EditFormats, text, name=str(path))
