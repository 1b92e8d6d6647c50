"""A session that expires: one person is asked once, everybody else waits."""

from __future__ import annotations

import asyncio

import pytest

from bulkstart.renewal import Renewal


def renewal(*answers):
    asked, given = [], list(answers)

    async def ask():
        asked.append(None)
        await asyncio.sleep(0)
        return given.pop(0)

    return Renewal(ask), asked


@pytest.mark.parametrize(("answers", "renewed"), [((True,), True), ((False,), False)])
def test_ten_rows_that_meet_one_expired_session_ask_once(answers, renewed):
    async def go():
        asking, asked = renewal(*answers)
        found = await asyncio.gather(*(asking.renewed(0) for _ in range(10)))
        return set(found), len(asked), asking.generation

    assert asyncio.run(go()) == ({renewed}, 1, int(renewed))


def test_a_newer_session_that_expires_too_is_asked_for_again():
    async def go():
        asking, asked = renewal(True, True)
        first = await asking.renewed(0)
        late = await asking.renewed(0)
        second = await asking.renewed(1)
        return (first, late, second), len(asked)

    assert asyncio.run(go()) == ((True, True, True), 2)


def test_a_person_who_gave_none_is_not_asked_again():
    async def go():
        asking, asked = renewal(False)
        return [await asking.renewed(0) for _ in range(3)], len(asked)

    assert asyncio.run(go()) == ([False] * 3, 1)


def test_whoever_comes_meanwhile_waits_until_the_session_is_there():
    async def go():
        order, gate = [], asyncio.Event()

        async def ask():
            await gate.wait()
            order.append("given")
            return True

        asking = Renewal(ask)
        first = asyncio.ensure_future(asking.renewed(0))
        await asyncio.sleep(0)

        async def row():
            await asking.idle()
            order.append("sent")

        second = asyncio.ensure_future(row())
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, second)
        return order

    assert asyncio.run(go()) == ["given", "sent"]
