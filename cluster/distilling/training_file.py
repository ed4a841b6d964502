"""The first step: from a filter or a file to a training file in the cluster, with the teacher's answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.distilling.cluster_api import ClusterApi, Watcher, file_path
from cluster.distilling.examples import answered, question, read_examples
from cluster.distilling.made import Maker
from cluster.distilling.plan import DistillationFailed, Refused, Source, local_file
from cluster.distilling.state import State, write_whole
from cluster.distilling.teacher_answers import Journal, ask_teacher

_FROM = "--from"
_NAME = "train.jsonl"


@dataclass(frozen=True, slots=True)
class TrainingFile:
    api: ClusterApi
    state: State
    maker: Maker
    watcher: Watcher

    def make(self) -> dict[str, Any]:
        """``file_id``, ``examples`` and ``left_out`` (by reason), ``asked``: of how many the teacher's answer was asked for.

        ``examples`` and ``left_out`` are ``None`` where they are not known any more. Raises :class:`Refused` for a source that
        can't be used and :class:`DistillationFailed` for one that gives nothing to learn.
        """
        source = self.state.plan.source
        made = self._exported(source) if source.stored else self._from_file(source)
        if made["examples"] == 0:
            reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in made["left_out"].items())
            raise DistillationFailed(
                f"{_FROM} gives no example to learn from{f': {reasons}' if reasons else ''}.", code="no_examples"
            )
        return made

    def _exported(self, source: Source) -> dict[str, Any]:
        file, summary = self.maker.export(source.metadata, self.state.plan.teacher, _NAME)
        if summary is None:
            # The process that exported it did not live to record the summary: what is there can be counted.
            examples = sum(1 for line in self.api.lines(f"{file_path(file['id'])}/content") if line)
            return {"file_id": file["id"], "examples": examples, "left_out": {} if examples == 0 else None, "asked": 0}
        return {"file_id": file["id"], "examples": summary["examples"], "left_out": summary["left_out"], "asked": 0}

    def _from_file(self, source: Source) -> dict[str, Any]:
        path = self._here(source)
        total = lacking = 0
        for example in _examples(path):
            total += 1
            lacking += not answered(example)
        if lacking == 0:
            return {"file_id": self._complete(source, path)["id"], "examples": total, "left_out": {}, "asked": 0}
        journal = Journal(self.state.beside("answers.jsonl"))
        plan = self.state.plan
        questions = (
            (number, question(example, plan.teacher, plan.temperature))
            for number, example in enumerate(_examples(path))
            if not answered(example)
        )
        ask_teacher(questions, journal, self.api.ask, lambda done: self.watcher.asked(done, lacking))
        target = self.state.beside(_NAME)
        examples = [line for number, example in enumerate(_examples(path)) if (line := _line(number, example, journal)) is not None]
        write_whole(target, b"".join(examples))
        left_out = dict(journal.left_out)
        if not examples:
            return {"file_id": None, "examples": 0, "left_out": left_out, "asked": lacking}
        file = self.maker.file(target, "fine-tune", _NAME)
        return {"file_id": file["id"], "examples": len(examples), "left_out": left_out, "asked": lacking}

    def _complete(self, source: Source, path: Path) -> dict[str, Any]:
        """A file of the cluster that is for fine-tuning is used as it is."""
        if source.file_id is not None:
            given = self.api.get(file_path(source.file_id))
            if given["purpose"] == "fine-tune":
                return given
        return self.maker.file(path, "fine-tune", _NAME)

    def _here(self, source: Source) -> Path:
        """The file's path; one of the cluster is fetched. Raises :class:`Refused` for a file that is another one by now."""
        if source.path is not None:
            path = Path(source.path)
            if local_file(path, _FROM).sha256 != source.sha256:
                raise Refused(_FROM, f"{path} has changed since the distillation began.")
            return path
        if source.file_id is None:
            raise ValueError("stored completions are no file")
        if self.api.find(file_path(source.file_id)) is None:
            raise Refused(_FROM, f"there is no file {source.file_id!r} in the cluster.")
        path = self.state.beside("source.jsonl")
        if not path.exists():
            lines = self.api.lines(f"{file_path(source.file_id)}/content")
            write_whole(path, b"".join(line + b"\n" for line in lines))
        return path


def _examples(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        yield from read_examples(_stripped(lines), _FROM)


def _stripped(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield line.rstrip(b"\r\n")


def _line(number: int, example: dict[str, Any], journal: Journal) -> bytes | None:
    whole = example if answered(example) else journal.example(number)
    return None if whole is None else json.dumps(whole, ensure_ascii=False).encode() + b"\n"
