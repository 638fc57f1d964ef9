"use strict";
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (tag, attributes = {}, ...inside) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value);
    }
    made.append(...inside);
    return made;
  };
  const root = new URL(facts.root, location.href).href.replace(/\/$/, "");
  const copy = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1200);
  };
  for (const button of document.querySelectorAll(".copied > button")) {
    button.addEventListener("click", () => copy(button, button.parentElement.querySelector("pre").textContent));
  }

  // ---- tabs, moved through with the arrow keys
  for (const list of document.querySelectorAll("[role=tablist]")) {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const choose = (chosen) => {
      for (const tab of tabs) {
        const on = tab === chosen;
        tab.setAttribute("aria-selected", on);
        tab.tabIndex = on ? 0 : -1;
        $(tab.getAttribute("aria-controls")).hidden = !on;
      }
      list.dispatchEvent(new CustomEvent("chosen", { detail: chosen }));
    };
    tabs.forEach((tab, at) => {
      tab.addEventListener("click", () => choose(tab));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = tabs[(at + step + tabs.length) % tabs.length];
        next.focus();
        choose(next);
      });
    });
    choose(tabs.find((tab) => tab.getAttribute("aria-selected") === "true") || tabs[0]);
  }

  // ---- an error that a problem's type leads to
  const named = () => {
    const row = location.hash && $(decodeURIComponent(location.hash.slice(1)));
    const around = row && row.closest("details");
    if (around) { around.open = true; row.scrollIntoView(); }
  };
  addEventListener("hashchange", named);
  named();

  // ---- a list of models
  const search = $("search");
  if (search) {
    const items = [...document.querySelectorAll("ul.models > li")];
    const show = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        const text = item.textContent.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        shown += !item.hidden;
      }
      $("count").textContent = shown === items.length ? `${shown} models` : `${shown} of ${items.length} models`;
    };
    search.addEventListener("input", show);
    show();
  }

  // ---- how the model is now
  const state = document.querySelector("header .state[data-path]");
  if (state) {
    fetch(root + state.dataset.path).then((answer) => answer.json()).then((now) => {
      if (typeof now.state !== "string") return;
      state.textContent = now.state;
      state.className = `state ${now.ready ? "ready" : now.state}`;
      state.title = now.reason || "";
    }).catch(() => {});
  }

  // ---- try it
  const form = $("try");
  if (!form) return;
  const body = $("body"), fields = $("fields"), params = $("params");
  const nested = (kind) => kind === "json";
  const shown = (field, value) => {
    if (value === undefined || value === null) return "";
    return nested(field.input) ? JSON.stringify(value) : String(value);
  };
  const control = (field, value) => {
    const text = shown(field, value);
    let made;
    if (field.input === "boolean") {
      const choices = field.required ? ["true", "false"] : ["", "true", "false"];
      made = make("select", {}, ...choices.map((each) => make("option", { value: each }, each || "—")));
      made.value = text || choices[0];
    } else if (field.input === "text" || nested(field.input)) {
      made = make("textarea", { rows: Math.min(6, 1 + Math.floor(text.length / 70)), spellcheck: "false" });
      made.value = text;
    } else {
      const mode = { integer: "numeric", number: "decimal" }[field.input];
      made = make("input", { type: "text", inputmode: mode, autocomplete: "off", spellcheck: "false" });
      made.value = text;
    }
    if (!field.required) made.placeholder = "left out";
    made.dataset.name = field.name;
    return made;
  };
  const area = (into, list, values) => {
    for (const field of list) {
      const broad = field.input === "text" && (list.length === 1 || shown(field, values?.[field.name]).length > 60);
      const label = make("label", { class: broad || nested(field.input) ? "broad" : undefined });
      label.append(
        make("span", {}, make("b", { title: field.name }, field.name), make("i", {}, field.kind)),
        control(field, values?.[field.name]),
      );
      into.append(label);
    }
  };
  const single = facts.bare ? { [facts.fields[0].name]: facts.example } : facts.example;
  if (facts.fields) area(fields, facts.fields, single);
  if (facts.params) area(params, facts.params, facts.defaults);

  class Wrong extends Error {}
  const read = (field, made) => {
    const text = made.value;
    made.removeAttribute("aria-invalid");
    const wrong = (what) => {
      made.setAttribute("aria-invalid", "true");
      made.focus();
      throw new Wrong(`${field.name}: ${what}`);
    };
    if (field.input === "text" ? text === "" && !field.required : text.trim() === "") {
      if (!field.required) return undefined;
      if (field.input === "number") return null;
      return wrong(`a value is needed (${field.kind})`);
    }
    switch (field.input) {
      case "text": return text;
      case "line": return text.trim();
      case "boolean": return text === "true";
      case "json":
        try { return JSON.parse(text); } catch (fault) { return wrong(fault.message); }
      default: {
        const number = Number(text);
        if (Number.isNaN(number)) return wrong(`${text} is no number`);
        if (field.input === "integer" && !/^[+-]?\d+$/.test(text.trim())) return wrong(`${text} is no whole number`);
        // a number that JavaScript would round is sent digit by digit
        return field.input === "integer" && !Number.isSafeInteger(number) ? new Digits(text.trim()) : number;
      }
    }
  };
  class Digits { constructor(text) { this.text = text.replace(/^\+/, ""); } }
  const json = (value, indent) => {
    const kept = [];
    const text = JSON.stringify(value, (_, each) => {
      if (!(each instanceof Digits)) return each;
      kept.push(each.text);
      return `\u0000${kept.length - 1}\u0000`;
    }, indent);
    return text.replace(/"\\u0000(\d+)\\u0000"/g, (_, at) => kept[at]);
  };
  const gathered = (into, list) => {
    const found = {};
    for (const field of list) {
      const made = into.querySelector(`[data-name="${CSS.escape(field.name)}"]`);
      const value = read(field, made);
      if (value !== undefined) found[field.name] = value;
    }
    return found;
  };
  let byForm = Boolean(facts.fields);
  const question = (indent) => {
    if (!byForm) return body.value;
    const row = gathered(fields, facts.fields);
    let asked = facts.bare ? row[facts.fields[0].name] : row;
    if (facts.params) {
      const given = gathered(params, facts.params);
      const changed = Object.keys(given).some((name) => json(given[name]) !== json(facts.defaults[name]));
      if (changed) asked = { inputs: asked, params: given };
    }
    return json(asked, indent);
  };
  // a space behind each colon and comma, so that long calls break in the right places
  const aired = (text) => text.replace(/("(?:[^"\\]|\\.)*")|([:,])(?!\s)/g, (_, word, mark) => word || `${mark} `);
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const snippets = () => {
    let text;
    try {
      text = aired(question().trim().replace(/\s*\n\s*/g, " ").replace(/^\{ /, "{").replace(/ \}$/, "}"));
    } catch (fault) {
      if (fault instanceof Wrong) return;
      throw fault;
    }
    text ||= "...";
    for (const code of document.querySelectorAll("code[data-template]")) {
      code.textContent = code.dataset.template
        .replaceAll("\ue000", () => root)
        .replaceAll("\ue001", () => quoted(text))
        .replaceAll("\ue002", () => python(text));
    }
  };
  const python = (text) => {
    if (text === "...") return text;
    try {
      const words = { true: "True", false: "False", null: "None" };
      JSON.parse(text);
      // words outside of texts
      return text.replace(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b/g, (found) => words[found] || found);
    } catch {
      return `json.loads(${JSON.stringify(text)})`;
    }
  };

  const kinds = $("kinds");
  if (kinds) {
    kinds.addEventListener("chosen", (event) => {
      const toJson = event.detail.getAttribute("aria-controls") === "as-json";
      if (toJson && byForm) {
        try { body.value = question(2); body.rows = Math.min(16, 2 + body.value.split("\n").length); } catch { /* what is wrong stays to be seen in the form */ }
      }
      byForm = !toJson;
      snippets();
    });
  }
  form.addEventListener("input", snippets);
  snippets();

  const status = $("status"), answer = $("answer"), send = form.querySelector(".send");
  const pretty = (text) => {
    try {
      JSON.parse(text);
    } catch {
      return text;
    }
    // laid out without reading the numbers, so that each stays as it was sent
    if (text.length < 80) return aired(text);
    let depth = 0, out = "";
    for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
      const line = (by) => { depth += by; out += "\n" + "  ".repeat(depth); };
      if (token === "{" || token === "[") { out += token; line(1); }
      else if (token === "}" || token === "]") { line(-1); out += token; }
      else if (token === ",") { out += ","; line(0); }
      else out += token === ":" ? ": " : token;
    }
    out = out.replace(/([{[])\n\s*([}\]])/g, "$1$2");
    return out.replace(/\[\n[^[\]{}]*\]/g, (list) => list.replace(/\n\s*/g, " ").replace("[ ", "[").replace(" ]", "]"));
  };
  const say = (good, word, text) => {
    status.replaceChildren(make("span", { class: good ? "pill" : "pill bad" }, word), ` ${text}`);
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let text;
    try {
      text = question();
    } catch (fault) {
      if (!(fault instanceof Wrong)) throw fault;
      answer.hidden = true;
      say(false, "not sent", fault.message);
      return;
    }
    send.disabled = true;
    const began = performance.now();
    try {
      const got = await fetch(root + facts.predict, {
        method: "POST", headers: { "content-type": "application/json" }, body: text,
      });
      const content = await got.text();
      const took = performance.now() - began;
      const told = [`${took < 10 ? took.toFixed(1) : Math.round(took)} ms`];
      const version = got.headers.get("modelyard-version"), id = got.headers.get("x-request-id");
      if (version) told.push(`version ${version}`);
      if (id) told.push(`request ${id}`);
      say(got.ok, got.status, told.join(" · "));
      answer.querySelector("code").textContent = pretty(content);
      answer.hidden = false;
    } catch (fault) {
      answer.hidden = true;
      say(false, "no answer", fault.message);
    }
    send.disabled = false;
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    if (facts.fields) {
      fields.replaceChildren();
      area(fields, facts.fields, single);
    }
    if (facts.params) {
      params.replaceChildren();
      area(params, facts.params, facts.defaults);
    }
    body.value = body.defaultValue;
    status.replaceChildren();
    answer.hidden = true;
    snippets();
  });
})();
