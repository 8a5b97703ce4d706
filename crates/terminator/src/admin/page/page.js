// Keeps the page up to date: loads it again and takes over the parts that may have changed.
"use strict";
(() => {
  const EVERY = 2000;
  const LIMIT = 5000;
  const live = document.getElementById("live");
  const pause = document.getElementById("pause");
  let paused = false;

  // Told to screen readers when it changes only.
  const say = (text) => {
    if (live.textContent !== text) live.textContent = text;
  };

  const hasSelection = (part) => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && selection.containsNode(part, true);
  };

  const replace = (part, other) => {
    if (part.innerHTML === other.innerHTML || hasSelection(part)) return;
    const focused = part.contains(document.activeElement)
      ? [...part.querySelectorAll("[tabindex]")].indexOf(document.activeElement)
      : -1;
    const scrolled = [...part.querySelectorAll(".wide")].map((wide) => wide.scrollLeft);
    part.replaceChildren(...other.childNodes);
    part.querySelectorAll(".wide").forEach((wide, at) => {
      wide.scrollLeft = scrolled[at] ?? 0;
    });
    if (focused >= 0) part.querySelectorAll("[tabindex]")[focused]?.focus({ preventScroll: true });
  };

  const load = async () => {
    const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(LIMIT) });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = page.getElementById(part.id);
      if (other) replace(part, other);
    }
  };

  const tick = async () => {
    if (!paused && !document.hidden) {
      try {
        await load();
        if (!paused) say("Live.");
      } catch {
        say("Not live: the terminator does not answer.");
      }
    }
    setTimeout(tick, EVERY);
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    say(paused ? "Paused." : "Live.");
  });

  const form = document.querySelector("#change form");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const output = document.getElementById("answer");
    const body = new URLSearchParams(new FormData(form));
    try {
      const answer = await fetch(event.submitter.formAction, { method: "POST", body });
      output.textContent = await answer.text();
    } catch {
      output.textContent = "The terminator does not answer.";
    }
  });

  tick();
})();
