// Greys the fields that have no effect while another box is off. Their values are kept and sent all the same.
document.addEventListener("DOMContentLoaded", () => {
  const dependents = document.querySelectorAll("[data-desk-needs]");

  const boxOf = (field) => {
    const prefix = field.name.slice(0, field.name.lastIndexOf("-") + 1);
    return document.querySelector(`input[type=checkbox][name="${prefix}${field.dataset.deskNeeds}"]`);
  };

  const refresh = () => {
    for (const field of dependents) {
      const box = boxOf(field);
      const row = field.closest(".field-line") || field.parentElement.parentElement;
      if (!box) continue;
      row.classList.toggle("desk-inert", !box.checked);
      field.toggleAttribute("inert", !box.checked);
      field.setAttribute("aria-disabled", String(!box.checked));
      if (!box.checked && field.name.endsWith("-persist_lme")) field.checked = false;
    }
  };

  document.addEventListener("change", refresh);
  refresh();
});
