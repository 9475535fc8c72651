// A form that does what cannot be undone asks first.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
  }
});

// What is drawn as a link without an address does nothing for a keyboard: it becomes a button.
document.addEventListener("DOMContentLoaded", () => {
  for (const link of document.querySelectorAll("#changelist a:not([href])")) {
    link.tabIndex = 0;
    link.setAttribute("role", "button");
    link.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        link.click();
      }
    });
  }
  const search = document.getElementById("searchbar");
  if (search) {
    search.setAttribute("aria-label", search.placeholder);
    search.title = search.placeholder; // the field is too narrow for most of them
  }
});
