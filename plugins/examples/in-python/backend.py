"""One armored age file per secret, `<name>.age`. It needs no WASI: the entry is a resource, and the host encrypts."""

import json

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.exports.retrieval import Answer
from wit_world.exports.storage import (
    FileRecipients,
    KeyKind,
    Reason,
    ReasonKind,
    Recipient,
    SerializeError_Failed,
    Stale,
    State_Absent,
    State_Present,
    State_Stale,
)
from wit_world.imports import age
from wit_world.imports.entries import EntryError
from wit_world.imports.types import Failure, OpenError_Failed

KINDS = [
    ("ssh-ed25519 ", KeyKind.SSH_ED25519),
    ("ssh-rsa ", KeyKind.SSH_RSA),
    ("age1tagpq1", KeyKind.TAGPQ),
    ("age1tag1", KeyKind.TAG),
    ("age1pq1", KeyKind.PQ),
]


def failure(kind, message, hint=None):
    return Failure(kind, message, hint, [])


def kind_of(key):
    for prefix, kind in KINDS:
        if key.startswith(prefix):
            return kind
    # After `age1` an X25519 key has no other `1`, and that of a plugin has.
    return KeyKind.PLUGIN if "1" in key[len("age1"):] else KeyKind.X25519


def recipients_of(target):
    """`artifacts.config.in-python` of one target. A field that is not known is an error."""
    try:
        config = json.loads(target.config)
    except ValueError as error:
        raise Err(failure("config", f"{target.id.name}: {error}")) from error
    keys = config.pop("recipients", None) if isinstance(config, dict) else None
    if config or not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise Err(failure("config", f"{target.id.name}: expected `recipients` alone, a list of keys"))
    return keys


def stored_as(name):
    return f"{name}.age"


def stale(kind, message):
    return State_Stale(Stale(Reason(kind, message, []), [], []))


class Storage(exports.Storage):
    def recipients(self, instance):
        keys = {key for target in instance.targets for key in recipients_of(target)}
        recipients = [Recipient(key, kind_of(key), None, []) for key in sorted(keys)]
        return [FileRecipients(file.name, recipients, []) for file in instance.files]

    def check(self, context, instance, entry):
        stored = entry.names()
        declared = sorted(stored_as(file.name) for file in instance.files)
        if stored == declared:
            return State_Present()
        if not stored:
            return State_Absent()
        return stale(ReasonKind.FILES, f"{', '.join(stored)} is stored; {', '.join(declared)} is declared")

    def serialize(self, context, instance, items, entry):
        try:
            for item in items:
                sealed = age.seal([item.name], item.value, age.Form.ARMORED)
                entry.write(stored_as(item.name), sealed)
            declared = {stored_as(file.name) for file in instance.files}
            for name in entry.names():
                if name not in declared:
                    entry.remove(name)
        except Err as error:
            # What the host refused comes as its failure; what the entry refused as a word.
            refused = error.value
            if isinstance(refused, EntryError):
                refused = failure("internal", f"the entry: {refused.name}")
            raise Err(SerializeError_Failed(refused)) from error


class Retrieval(exports.Retrieval):
    def retrieve(self, context, files, entry):
        return [Answer(name, self.plaintext(name, entry), []) for name in files]

    def plaintext(self, name, entry):
        stored = stored_as(name)
        try:
            return Ok(age.open(entry.read(stored, 0, entry.size(stored))))
        except Err as error:
            if isinstance(error.value, EntryError):
                return Err(OpenError_Failed(failure("corrupt", f"{stored}: {error.value.name}")))
            return Err(error.value)
