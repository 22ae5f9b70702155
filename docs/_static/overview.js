// Tables that are sorted by their heads. They are complete without this script; DataTables adds sorting, and a filter
// where `data-filter` says what a row is.
"use strict";
{
  // A row without a figure stands last, whichever way the column is sorted: nothing is not less than something.
  const compare = (a, b, sign) => {
    if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1;
    return sign * (Number(a) - Number(b));
  };
  DataTable.ext.type.order["figure-asc"] = (a, b) => compare(a, b, 1);
  DataTable.ext.type.order["figure-desc"] = (a, b) => compare(a, b, -1);

  document.addEventListener("DOMContentLoaded", () => {
    for (const table of document.querySelectorAll("table.sortable")) {
      const row = table.dataset.filter;
      new DataTable(table, {
        autoWidth: false,
        columnDefs: [{ targets: [".number", ".ordered"], type: "figure" }],
        language: { search: "Filter", info: `_TOTAL_ ${row}s`, infoFiltered: "of _MAX_", infoEmpty: "none", zeroRecords: `No ${row} matches.`, emptyTable: "Nothing yet." },
        layout: { topStart: row ? "info" : null, topEnd: row ? "search" : null, bottomStart: null, bottomEnd: null },
        order: [],
        paging: false,
      });
    }
  });
}
