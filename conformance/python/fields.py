"""The fields that azure-ai-ml can write into a request, from its own models and schemas: nothing is left to anybody's memory.

A field is a path as it goes over the wire, `properties.limits.timeout`; `*` stands for a name of the caller's own, `[]` for each
item of a list, and `{PyTorch}` for what an object says that it is.
"""

import datetime
import enum
import re
import types
import typing
from dataclasses import dataclass, field

import marshmallow
from azure.ai.ml._restclient.arm_ml_service import models
from azure.ai.ml._restclient.arm_ml_service._utils.model_base import Model
from azure.ai.ml.constants._common import BASE_PATH_CONTEXT_KEY

NAMES = {**vars(typing), **vars(models), "_models": models, "datetime": datetime, "_types": types}


@dataclass(frozen=True)
class Field:
    steps: tuple
    #: Of every object on the way that says what it is: where, and the word.
    kinds: tuple = field(compare=False)
    example: object = field(compare=False)

    @property
    def path(self):
        shown = []
        for at, step in enumerate(self.steps):
            kind = next((word for where, word in self.kinds if where[:-1] == self.steps[: at + 1]), None)
            shown.append(f"{step}{{{kind}}}" if kind else str(step))
        return ".".join(shown).replace(".[]", "[]")

    def within(self, body):
        """The body with the field in it."""
        for where, word in self.kinds:
            body = put(body, where, word)
        return put(body, self.steps, self.example)


def put(body, steps, value):
    """A copy of the body with a value at a path; what is on the way is made."""
    step, rest = steps[0], steps[1:]
    if step == "[]":
        return [put(body[0] if isinstance(body, list) and body else {}, rest, value) if rest else value]
    inner = body if isinstance(body, dict) else {}
    name = "k" if step == "*" else step
    return {**inner, name: put(inner.get(name), rest, value) if rest else value}


def at(body, steps):
    for step in steps:
        try:
            body = body[{"*": "k", "[]": 0}.get(step, step)]
        except (KeyError, IndexError, TypeError):
            return None
    return body


# The models of what goes over the wire.


def resolved(annotation):
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    return eval(annotation, NAMES) if isinstance(annotation, str) else annotation


def described(model):
    """By the name on the wire: the type, whether it is only read, and the word where it says what the object is."""
    try:
        model({})  # the models learn what they have when they are first made
    except Exception:  # noqa: BLE001 what it misses is not asked about
        pass
    hints = {}
    for one in reversed(model.__mro__):
        hints.update(getattr(one, "__annotations__", {}))
    for name, rest in model._attr_to_rest_field.items():
        kind = resolved(hints[name])
        word = next((word.value for word in typing.get_args(kind) if isinstance(word, enum.Enum)), None)
        yield rest._rest_name, kind, rest._visibility == ["read"], word if rest._is_discriminator else None, rest._is_discriminator


def objects_in(kind, steps=()):
    if isinstance(kind, type) and issubclass(kind, Model):
        return [(kind, steps)]
    inner = {dict: [1], list: [0]}.get(typing.get_origin(kind))
    below = {dict: ("*",), list: ("[]",)}.get(typing.get_origin(kind), ())
    args = typing.get_args(kind)
    chosen = args if inner is None else [args[index] for index in inner if index < len(args)]
    return [found for arg in chosen if not isinstance(arg, enum.Enum) for found in objects_in(resolved(arg), steps + below)]


def concrete(model):
    """What an object of a model may be: itself, or one of those that say so by a word."""
    below = [found for one in model.__subclasses__() for found in concrete(one)]
    says = next((word for *_, word, is_word in described(model) if is_word), None)
    is_abstract = any(is_word for *_, is_word in described(model)) and says is None
    return ([] if is_abstract else [model]) + below


def example_of(kind):
    text = str(kind)
    words = [word for arg in (typing.get_args(kind) or (kind,)) for word in [resolved(arg)] if isinstance(word, type)]
    for word in words:
        if issubclass(word, enum.Enum):
            return list(word)[-1].value
    if "timedelta" in text:
        return "PT7M"
    if "datetime" in text:
        return "2027-01-01T00:00:00Z"
    for plain, example in ((bool, True), (dict, {"k": "v"}), (list, ["v"]), (float, 0.5), (int, 7)):
        if re.search(rf"\b{plain.__name__}\b", text.split("ForwardRef")[0]):
            return example
    return "x"


def of_model(model, steps, kinds=(), above=(), beyond=()):
    """Every field of a model that a client can set. Below `beyond` nothing is looked for: it is told as one field."""
    for name, kind, is_read, word, is_word in described(model):
        here = steps + (name,)
        if is_read or is_word:
            continue
        inner = [] if name in beyond else objects_in(kind)
        if not inner:
            yield Field(here, kinds, example_of(kind))
        for base, more in inner:
            for one in concrete(base):
                if one in above:
                    continue
                place = here + more
                said = next(((place + (name,), word) for name, *_, word, is_word in described(one) if is_word), None)
                known = kinds + ((said,) if said else ())
                found = list(of_model(one, place, known, above + (model, one), beyond))
                yield from found or [Field(place, known, {said[0][-1]: said[1]} if said else {})]


# The schemas of what is written in YAML, where the wire leaves it open.

EXAMPLES = {
    "Integer": 7,
    "DumpableIntegerField": 7,
    "Float": 0.5,
    "DumpableFloatField": 0.5,
    "Number": 7,
    "Boolean": True,
    "Dict": {"k": "v"},
    "List": ["v"],
}


def of_schema(schema, steps, above=(), beyond=()):
    """Every name in a schema of YAML, with those of what lies in it, but for what lies below `beyond`."""
    made = schema(context={BASE_PATH_CONTEXT_KEY: "."}) if isinstance(schema, type) else schema
    if type(made) in above:
        return
    for name, one in made.fields.items():
        if one.dump_only:
            continue
        if name in beyond:
            yield Field(steps + (name,), (), "x")
        else:
            yield from _of_field(one, steps + (one.data_key or name,), above + (type(made),), beyond)


def _of_field(one, steps, above, beyond):
    unions = getattr(one, "_union_fields", None) or getattr(one, "union_fields", None)
    inner = getattr(one, "_experimental_field", one)
    if unions:
        found = [each for union in unions for each in _of_field(union, steps, above, beyond)]
        deeper = [each for each in found if each.steps != steps]
        yield from {each.steps: each for each in deeper or found}.values()
    elif isinstance(inner, marshmallow.fields.Nested):
        yield from of_schema(inner.schema, steps + (("[]",) if inner.many else ()), above, beyond)
    elif isinstance(inner, marshmallow.fields.Dict) and inner.value_field is not None:
        yield from _of_field(inner.value_field, steps + ("*",), above, beyond)
    else:
        words = getattr(inner, "allowed_values", None)
        yield Field(steps, (), words[-1] if words else EXAMPLES.get(type(inner).__name__, "x"))
