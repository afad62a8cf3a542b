"""What a request costs does not run away with the length of a conversation, even of somebody unknown to the planner."""

import time

import pytest

LIST = "/api/v1/conversations"


@pytest.mark.parametrize("path", ["exchanges?limit=10", "context", "messages?limit=50", "?include=messages"])
def test_a_branch_four_times_as_long_costs_at_most_about_four_times_as_much(owner, path):
    """Nothing is analysed: the planner takes a new person's rows for one, and may join by the owner alone."""
    seconds = {}
    for length in (500, 2_000):
        said = [{"role": "user" if n % 2 else "assistant", "content": str(n)} for n in range(1, 501)]
        made = owner.post(LIST, {"messages": said}, format="json").json()
        url = f"{LIST}/{made['id']}"
        for _ in range(length // 500 - 1):
            owner.post(f"{url}/messages", {"messages": said}, format="json")
        # A second root makes it a conversation that has branched; the long branch is the active one again.
        current = owner.get(url).json()["current_message_id"]
        owner.post(f"{url}/messages", {"role": "user", "content": "aside", "parent_id": None}, format="json")
        owner.patch(url, {"current_message_id": current}, format="json")
        asked = url + path if path.startswith("?") else f"{url}/{path}"
        times = []
        for _ in range(3):
            began = time.perf_counter()
            assert owner.get(asked).status_code == 200
            times.append(time.perf_counter() - began)
        seconds[length] = min(times)
    assert seconds[2_000] < 8 * seconds[500]  # quadratic would be 16 times
