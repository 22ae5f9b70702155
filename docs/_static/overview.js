// The start page's table. It is complete without this script; DataTables adds sorting and a filter.
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
    const table = document.getElementById("overview");
    if (!table) return;
    new DataTable(table, {
      autoWidth: false,
      columnDefs: [{ targets: ".number", type: "figure" }],
      info: true,
      language: { search: "Filter", info: "_TOTAL_ measurements", infoFiltered: "of _MAX_", infoEmpty: "none", zeroRecords: "No measurement matches." },
      layout: { topStart: "info", topEnd: "search", bottomStart: null, bottomEnd: null },
      order: [],
      paging: false,
    });
  });
}
