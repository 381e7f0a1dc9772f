"""Fleets for tests: one that answers at once, of whom the master asks and hands what to; one with a clock."""

import heapq
import itertools

from k8s_lifecycle.action.fleet import Answer, Call, Outcome


class Answering:
    """What each function answers, and what was called. Some servers are silent, some refuse."""

    refusal = "it does not"

    def __init__(self):
        self.silent, self.refusing = set(), set()
        self.called, self.answers = [], []
        self.tickets = itertools.count()

    def now(self):
        return 0.0

    def start(self, calls):
        tickets = [next(self.tickets) for _ in calls]
        self.answers += [(ticket, self.answer(call)) for ticket, call in zip(tickets, calls, strict=True)]
        return tickets

    def next(self, deadline):
        return self.answers.pop(0) if self.answers else None

    def answer(self, call):
        self.called.append((call.server, call.function, dict(call.arguments)))
        if call.server in self.silent:
            return Answer(call.server, Outcome.MISSING, error="its minion has not answered for 30 s")
        if call.server in self.refusing:
            return Answer(call.server, Outcome.FAILED, error=self.refusal)
        return Answer(call.server, Outcome.OK, self.value(call))

    def value(self, call):
        """What a server that answers returns."""
        raise NotImplementedError

    def calls(self, function):
        return [(server, arguments) for server, name, arguments in self.called if name == function]


class Echo:
    """Answers each call with its `value` after `after` seconds of virtual time."""

    def __init__(self):
        self.clock, self.out, self.tickets, self.most = 0.0, [], itertools.count(), 0

    def now(self):
        return self.clock

    def start(self, calls):
        tickets = [next(self.tickets) for _ in calls]
        for ticket, call in zip(tickets, calls, strict=True):
            heapq.heappush(self.out, (self.clock + call.arguments["after"], ticket, call))
        self.most = max(self.most, len(self.out))
        return tickets

    def next(self, deadline):
        if not self.out or self.out[0][0] > deadline:
            self.clock = deadline
            return None
        self.clock, ticket, call = heapq.heappop(self.out)
        return ticket, Answer(call.server, Outcome.OK, call.arguments["value"])


def call(after, value):
    return Call("server", "echo", {"after": after, "value": value})
