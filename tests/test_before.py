"""The first sections: a sheet comes in by three ways, a portal is met, a template is picked."""

from __future__ import annotations

import datetime as dt

import bulkstart
from tests.conftest import ROOT, deals
from tests.panels import is_shown, panel_on, troubles, words

DEALS = str(ROOT / "sample_data" / "deals.xlsx")


def upload(name: str, content: bytes) -> tuple[dict, ...]:
    return ({"name": name, "type": "", "size": len(content), "content": content, "last_modified": dt.datetime.now(dt.UTC)},)


def test_a_sheet_is_uploaded_and_not_kept_in_the_control():
    panel = bulkstart.panel()
    sheet = panel.sections["sheet"]
    assert "10 MB" in words(sheet.body.children[1].value)
    sheet.upload.value = upload("deals.csv", b"ID;Title\n5141;<script>alert(1)</script>\n")
    assert not troubles(panel)
    assert panel.frame["ID"].tolist() == ["5141"]
    assert sheet.upload.value == ()
    assert "<script>" not in sheet.told.value
    assert "alert(1)" in sheet.told.value


def test_a_sheet_is_read_by_its_path_its_tab_and_its_header_row():
    panel = bulkstart.panel()
    sheet = panel.sections["sheet"]
    sheet.path.value = DEALS
    assert len(panel.frame) == 60
    sheet.tab.value = "2"
    assert "tab" in sheet.told.value
    assert "tab='2'" in panel.sections["sheet"].lines()[0]
    sheet.tab.value = ""
    sheet.header_row.value = "2"
    assert len(panel.frame) == 59


def test_the_sandbox_says_so_in_colour_and_a_real_portal_says_which():
    with panel_on() as panel:
        portal = panel.sections["portal"]
        assert "SANDBOX" in portal.banner.value
        assert portal.sandbox.value
        assert portal.connect.disabled
    with bulkstart.sandbox() as own:
        real = bulkstart.Portal.vibecode(api_key=own.credential.reveal(), base_url=own.base_url)
        panel = bulkstart.panel(portal=real)
        panel.sections["portal"].connect.click()
        assert f"REAL PORTAL: {real.fixed_identity()} · 6 templates" in words(panel.sections["portal"].banner.value)
        assert panel.sections["portal"].banner.value != portal.banner.value


def test_templates_are_offered_by_entity_type_and_show_their_parameters():
    with bulkstart.sandbox() as portal:
        panel = bulkstart.panel(bulkstart.read_sheet(DEALS), portal=portal)
        template = panel.sections["template"]
        assert len(template.template.options) == 7
        template.kind.value = "deal"
        assert [value for _, value in template.template.options] == [0, 713, 720, 721]
        template.template.value = 720
        assert panel.walk.options["template"] == 720
        assert "conflicting-value" in panel.problems["code"].tolist()
        template.template.value = 713
        assert "contract_number" in template.told.value
        assert panel.problems.empty
        assert not is_shown(template.typed)


def test_where_the_portal_gives_no_list_the_id_is_typed():
    faults = [{"on": "templates", "answer": "SCOPE_DENIED"}]
    with panel_on(deals(2), {"faults": faults}, template=None) as panel:
        template = panel.sections["template"]
        assert is_shown(template.typed)
        template.typed.value = "713"
        assert panel.walk.options["template"] == 713
