"""Documents: what an import brings beside conversations is kept whole, shown to its owner, and counted as itself."""

from collections import Counter

import pytest

from conversations.actions.ingest import ImportTotals, conversations_ingest
from conversations.interchange.records import ConversationRecord, DocumentRecord, MessageRecord
from conversations.models import Conversation, Document
from conversations.tests.people import DocumentFactory
from conversations.tests.whole_database import Unchanged

URL = "/api/v1/documents"
unchanged = Unchanged()


def document(external_id="p1", kind="project", title="Alps", **raw):
    return DocumentRecord(source="claude", kind=kind, external_id=external_id, title=title, raw=raw or {"a": 1})


def conversation(external_id="c1"):
    message = MessageRecord(external_id="m", role="user", content="x")
    return ConversationRecord(source="claude", external_id=external_id, messages=(message,))


def ingested(user, *found):
    totals, reports = ImportTotals(), []
    for report in conversations_ingest(user_id=user.pk, found=found):
        totals.add(report)
        reports.append(report)
    return reports, totals


def test_documents_come_in_and_come_back_whole_over_the_api(owner, user):
    raw = {"nul": "\0", "half": "\ud83d", "number": 10**30, "list": [None, True, 1.5]}
    ingested(
        user, document(title="t\0\ud800", **raw), DocumentRecord(source="x", kind="memory", external_id="m", raw=None)
    )
    memory, project = owner.get(URL).json()["results"]
    assert (project["title"], project["raw"]) == ("t\0\ud800", raw)
    assert (project["source"], project["kind"], project["external_id"]) == ("claude", "project", "p1")
    assert (memory["kind"], memory["raw"]) == ("memory", None)


def test_each_is_imported_then_unchanged_then_updated_in_the_order_of_the_file(user):
    found = [document(), conversation(), document("p2"), document("p1", kind="memory")]
    reports, totals = ingested(user, *found)
    assert [(r.index, r.outcome, r.document_kind) for r in reports] == [
        (0, "imported", "project"), (1, "imported", ""), (2, "imported", "project"), (3, "imported", "memory"),
    ]  # fmt: skip
    assert (totals.conversations_imported, totals.imported_count, totals.documents_imported) == (1, 1, 3)
    with unchanged:
        reports, _ = ingested(user, *found)
    assert Counter(r.outcome for r in reports) == {"unchanged": 4}
    reports, totals = ingested(user, document(title="Renamed"), document("p2", b=2))
    assert [r.outcome for r in reports] == ["updated", "updated"]
    assert (totals.documents_updated, totals.updated_count) == (2, 0)
    assert set(Document.objects.filter(user=user, kind="project").values_list("title", flat=True)) == {
        "Renamed",
        "Alps",
    }


def test_one_that_comes_twice_is_stored_once_and_the_last_copy_stays(user):
    reports, _ = ingested(user, document(a=1), document(a=2))
    assert [r.outcome for r in reports] == ["imported", "updated"]
    assert Document.objects.get(user=user).raw == {"a": 2}


def test_a_file_of_documents_alone_is_a_success_and_one_of_none_is_not(user):
    _, totals = ingested(user, document())
    assert (totals.status, totals.reason, totals.any_stored) == ("success", "", True)
    assert "documents: 1 imported" in str(totals)
    _, totals = ingested(user, document())
    assert totals.status == "success"  # it is all here
    _, totals = ingested(user)
    assert (totals.status, totals.reason) == ("failed", "nothing_to_import")


def test_one_that_the_database_refuses_fails_alone(user):
    reports, totals = ingested(user, conversation(), document(kind=""), document("p2"))
    assert [r.outcome for r in reports] == ["imported", "failed", "imported"]
    assert totals.status == "partial_success"
    assert Conversation.objects.filter(user=user).count() == 1


def test_a_document_that_is_nested_too_deeply_fails_and_the_next_is_stored(user):
    deep = []
    for _ in range(200_000):
        deep = [deep]
    reports, _ = ingested(user, document(deep=deep), document("p2"))
    assert [(r.outcome, r.reason) for r in reports] == [("failed", "nested_too_deeply"), ("imported", "")]


def test_an_id_that_no_index_holds_is_known_again_by_its_digest(user):
    ingested(user, document("x" * 10_000))
    reports, _ = ingested(user, document("x" * 10_000))
    assert reports[0].outcome == "unchanged"


def test_the_list_pages_filters_and_answers_304(owner, user):
    ingested(user, *(document(f"p{n}", kind="memory" if n % 2 else "project") for n in range(5)))
    seen, url = [], f"{URL}?limit=2"
    while url:
        body = owner.get(url).json()
        seen += [one["external_id"] for one in body["results"]]
        assert body["total"] == 5
        url = body["next"]
    assert sorted(seen) == [f"p{n}" for n in range(5)]
    assert len(owner.get(f"{URL}?kind=memory").json()["results"]) == 2
    assert owner.get(f"{URL}?kind=memory&source=chatgpt").json()["total"] == 0
    first = owner.get(URL)
    assert owner.get(URL, headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert owner.get(f"{URL}?limit=101").status_code == 422


@pytest.mark.parametrize("query", ["", "kind=project", "source=claude&limit=100&offset=0"])
def test_nobody_sees_anothers(owner, stranger, outsider, user, query):
    DocumentFactory(user=user)
    assert owner.get(f"{URL}?{query}").json()["total"] == 1
    body = stranger.get(f"{URL}?{query}&user={user.pk}").json()
    assert (body["results"], body["total"]) == ([], 0)
    assert outsider.get(f"{URL}?{query}").status_code == 401
