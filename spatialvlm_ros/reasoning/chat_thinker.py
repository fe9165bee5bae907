"""A language model leads the steps. It sees the question and what the tools return, nothing else."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from spatialvlm_ros.models.estimate import Reason
from spatialvlm_ros.reasoning.actions import TOOLS
from spatialvlm_ros.reasoning.faults import ReplyError, Stopped, UnsupportedError
from spatialvlm_ros.reasoning.llm.chat_model import ASSISTANT, SYSTEM, TOOL, USER, ChatModel, ChatReply, Message
from spatialvlm_ros.reasoning.prompt import friend_says, opening, repair
from spatialvlm_ros.reasoning.reply import Move, read_reply
from spatialvlm_ros.reasoning.stated_conclusion import stated_conclusion
from spatialvlm_ros.reasoning.steps import Conclusion, StepKind
from spatialvlm_ros.reasoning.support import unsupported_numbers
from spatialvlm_ros.reasoning.task import Task
from spatialvlm_ros.reasoning.texts import plain

_NOT_MEASURED = "You have not measured anything yet; an answer must rest on what the tools return."


@dataclass
class _Talk:
    """A conversation under way."""

    messages: list[Message]
    faults: list[str] = field(default_factory=list)  # since the last reply that could be read
    invented: bool = False  # whether an answer with invented numbers was sent back already


class ChatThinker:
    """Leads a chain of thought by a `ChatModel`.

    A reply that cannot be read is sent back once with what is wrong with it; the next one that cannot be read ends the
    chain of thought. So does a second answer that rests on no measurement, or that has numbers which nobody told. An
    answer that leaves out the errors of its numbers gets them appended.

    Args:
        chat: the language model.
    """

    def __init__(self, chat: ChatModel) -> None:
        self.chat = chat

    @property
    def name(self) -> str:
        """What the language model was loaded from."""
        return self.chat.name

    def close(self) -> None:
        """Free what the language model holds."""
        self.chat.close()

    def think(self, task: Task) -> Generator[None, None, Conclusion]:
        """See `Thinker`."""
        rules, question = opening(task.question, self.chat.calls_tools)
        talk = _Talk([Message(SYSTEM, rules), Message(USER, question)])
        while True:
            reply = yield from self._reply(task, talk)
            move = self._read(task, talk, reply)
            if move is None:
                continue
            noted = len(task.trace.steps)
            if move.thought and (move.uses or move.answer):
                task.trace.add(StepKind.THINK, move.thought)
            if move.refusal:
                raise Stopped(_reason_of(task), plain(move.refusal))
            if move.answer:
                return stated_conclusion(move.answer, task)
            yield from self._use(task, talk, move)
            if len(task.trace.steps) == noted:
                task.trace.idle()

    def _reply(self, task: Task, talk: _Talk) -> Generator[None, None, ChatReply]:
        schemas = [tool.schema() for tool in TOOLS.values()] if self.chat.calls_tools else []
        replying = self.chat.reply(tuple(talk.messages), task.trace.tokens_left(), schemas)
        try:
            while True:
                try:
                    next(replying)
                except StopIteration as end:
                    reply: ChatReply = end.value
                    task.trace.spend(reply.tokens)
                    return reply
                task.trace.check()
                yield
        finally:
            replying.close()

    def _read(self, task: Task, talk: _Talk, reply: ChatReply) -> Move | None:
        """The move, or None where the model was told what is wrong; `Stopped` the second time."""
        try:
            move = read_reply(reply, self.chat.calls_tools)
            if move.answer and not task.tools.learnt:
                refused = task.tools.first_refusal
                if refused is not None:
                    raise Stopped(refused.reason, refused.detail)
                raise ReplyError(_NOT_MEASURED[:-1], plain(move.answer, 80))
            _check_numbers(task, move)
        except ReplyError as error:
            invented = isinstance(error, UnsupportedError)
            if talk.faults or (invented and talk.invented):
                what = "answer does not rest on the picture" if invented else "words cannot be understood"
                raise Stopped(Reason.MODEL_ERROR, f"The language model's {what}: {plain(error, 200)}") from error
            talk.faults.append(str(error))
            talk.invented |= invented
            task.trace.add(StepKind.THINK, f"The language model's reply cannot be used: {plain(error, 200)}")
            talk.messages += [
                Message(ASSISTANT, plain(reply.text, 1000) or "..."),
                Message(USER, repair(plain(error, 300), self.chat.calls_tools)),
            ]
            return None
        talk.faults.clear()
        return move

    def _use(self, task: Task, talk: _Talk, move: Move) -> Generator[None, None, None]:
        lines = []
        for use in move.uses:
            said = yield from TOOLS[use.tool].run(task.tools, use.arguments)
            lines.append(plain(said))
        if move.calls:
            talk.messages.append(Message(ASSISTANT, move.thought, move.calls))
            talk.messages += [Message(TOOL, line, call_id=c.call_id) for c, line in zip(move.calls, lines, strict=True)]
        else:
            talk.messages.append(Message(ASSISTANT, "\n".join(_written(move))))
            talk.messages.append(Message(USER, friend_says(lines)))


def _check_numbers(task: Task, move: Move) -> None:
    """Raises `UnsupportedError` where an answer has numbers that neither the question nor a tool told."""
    invented = unsupported_numbers(move.answer, task) if move.answer else []
    if invented:
        raise UnsupportedError(
            "the answer has a number that neither the question nor a tool told",
            plain(", ".join(invented), 80),
            "Measure or calculate it, or leave it out.",
        )


def _written(move: Move) -> list[str]:
    """The lines of a move that count, without the model's guesses at what its friend would say."""
    lines = [move.thought] if move.thought else []
    return [*lines, *(f"{u.tool.upper()}: {' | '.join(u.arguments.values())}" for u in move.uses)]


def _reason_of(task: Task) -> Reason:
    """Why a language model refuses: what could not be measured, where that is so."""
    refused = task.tools.first_refusal
    missing = next((t.reason for t in task.tools.located.values() if not t.valid), None)
    return refused.reason if refused is not None else missing or Reason.MODEL_ERROR
