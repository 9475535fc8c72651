from hypothesis import given
from hypothesis import strategies as st

from apps.realtime.limits import RateLimit
from apps.realtime.sequence import MAX_HELD, Sequence


def message(number: int | None) -> dict[str, int | None]:
    return {"sequence": number}


def numbers(messages) -> list[int | None]:
    return [each["sequence"] for each in messages]


def test_before_the_snapshot_nothing_passes():
    sequence = Sequence()

    assert sequence.take(message(1)) == []
    assert sequence.take(message(None)) == []


def test_what_the_snapshot_contains_does_not_pass_again():
    sequence = Sequence()
    sequence.start_at(5)

    assert sequence.take(message(5)) == []
    assert numbers(sequence.take(message(6))) == [6]


def test_a_message_that_was_overtaken_comes_first():
    sequence = Sequence()
    sequence.start_at(0)

    assert sequence.take(message(2)) == []
    assert sequence.has_gap
    assert numbers(sequence.take(message(1))) == [1, 2]
    assert not sequence.has_gap


def test_a_hint_waits_for_nobody():
    sequence = Sequence()
    sequence.start_at(0)
    sequence.take(message(2))

    assert numbers(sequence.take(message(None))) == [None]


def test_a_snapshot_closes_the_gap_and_lets_through_what_follows_it():
    sequence = Sequence()
    sequence.start_at(0)
    for number in (2, 3, 5):
        sequence.take(message(number))

    assert numbers(sequence.start_at(4)) == [5]
    assert not sequence.has_gap


def test_only_so_many_messages_are_held():
    sequence = Sequence()
    sequence.start_at(0)
    for number in range(2, MAX_HELD + 10):
        sequence.take(message(number))

    assert len(numbers(sequence.take(message(1)))) == MAX_HELD + 1


@given(st.permutations(range(1, 12)), st.sets(st.integers(1, 11)), st.integers(0, 11))
def test_in_any_order_each_passes_once_and_in_order(arrivals, lost, snapshot):
    sequence = Sequence()
    sequence.start_at(snapshot)

    passed = [each for number in arrivals if number not in lost for each in numbers(sequence.take(message(number)))]

    first_missing = min((number for number in lost if number > snapshot), default=12)
    assert passed == list(range(snapshot + 1, first_missing))


def test_a_bucket_empties_and_fills_again():
    now = [100.0]
    limit = RateLimit(burst=3, per_second=2, clock=lambda: now[0])

    assert [limit.allows() for _ in range(4)] == [True, True, True, False]
    now[0] += 0.5
    assert [limit.allows() for _ in range(2)] == [True, False]
