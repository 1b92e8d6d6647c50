"""Files become frames, and frames become files; nothing is inferred, every cell stays what it was.

    sheet_bytes   what a file is, by its first bytes
    sheet_csv     encoding, delimiter, records
    sheet_open    workbooks: sheet_xlsx, sheet_xlsb, sheet_ods, sheet_xls, sheet_html; their tabs: sheet_tabs
    sheet_cell    what a cell holds: numbers, dates, errors; sheet_format: numbers that are shown as others
    sheet_grid    rows of cells, and the header among them
    sheet_read    files → frames, made by sheet_frame   sheet_layout            what of the source a results file keeps
    sheet_results what of a file holds results
    sheet_new     a blank workbook for a template         sheet_origin  where such a sheet belongs
    sheet_write   frames → files, atomically            sheet_write_csv, sheet_write_xlsx, sheet_text
    sheet_patch   results in the analyst's own workbook sheet_patch_tab, _parts; sheet_rows, _spans, _zip, _prints

What a cell means is not decided here, but in ``bulkstart.cells``.
"""

from bulkstart.sheet_origin import read_sheet
from bulkstart.sheet_results import read_results
from bulkstart.sheet_text import plain_text
from bulkstart.sheet_write import write_sheet

__all__ = ["plain_text", "read_results", "read_sheet", "write_sheet"]
