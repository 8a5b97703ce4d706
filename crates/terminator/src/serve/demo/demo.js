// Asks again over a new connection every few seconds: the server closes each one.
"use strict";
(() => {
  const EVERY = 3000;
  const MOST = 10;
  const visits = document.getElementById("visits");
  const again = document.getElementById("again");

  const visit = async () => {
    const answer = await fetch("/visit", { cache: "no-store" });
    const told = await answer.json();
    const item = document.createElement("li");
    item.className = told.resumed ? "resumed" : "full";
    item.textContent = told.verdict;
    visits.append(item);
  };

  const tick = async () => {
    // A connection that fails is not shown; the next one is.
    await visit().catch(() => {});
    if (visits.children.length < MOST) setTimeout(tick, EVERY);
  };

  document.getElementById("more").hidden = false;
  again.addEventListener("click", () => visit().catch(() => {}));
  tick();
})();
