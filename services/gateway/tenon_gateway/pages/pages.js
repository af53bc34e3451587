// The part of the URL behind "#" is a secret. Keep it in memory only, and take it out of the
// address bar and the history. Browsers never send it to a server.
"use strict";
const fragment = location.hash.slice(1);
if (fragment) history.replaceState(null, "", location.pathname);
const named = new URLSearchParams(fragment);
const message = document.getElementById("message");

function show(text) {
  message.textContent = text;
}

// Sends JSON; returns the status and the body. The browser adds the Origin header.
async function send(method, path, body) {
  const request = { method, headers: {}, credentials: "same-origin" };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  try {
    const reply = await fetch(path, request);
    const text = await reply.text();
    return { ok: reply.ok, status: reply.status, body: text ? JSON.parse(text) : {} };
  } catch {
    return { ok: false, status: 0, body: { detail: "The server does not answer. Try again." } };
  }
}

function explain(reply) {
  const fields = (reply.body.errors || []).map((e) => e.pointer.slice(1) + " " + e.message);
  show([reply.body.detail, ...fields].join(" "));
}

function valuesOf(form) {
  const values = {};
  for (const [name, value] of new FormData(form)) if (value) values[name] = value;
  const token = form.dataset.token;
  if (token) values[token] = named.get(token) || fragment;
  return values;
}

function reveal(id) {
  const section = document.getElementById(id);
  if (section) section.hidden = false;
  return section;
}

function continueAfterLogIn() {
  for (const id of ["log-in", "sign-up"]) {
    const section = document.getElementById(id);
    if (section) section.hidden = true;
  }
  const main = document.getElementById("main");
  if (main) return main.requestSubmit();
  return showAccount();
}

async function submit(event) {
  event.preventDefault();
  const form = event.target;
  show("");
  const reply = await send("POST", form.dataset.route, valuesOf(form));
  if (reply.status === 401 && form.id === "main" && reveal("log-in")) {
    reveal("sign-up");
    show("Log in to continue.");
  } else if (!reply.ok) {
    explain(reply);
  } else if (reply.body.mfa_required) {
    location.assign("/login/mfa#mfa_token=" + encodeURIComponent(reply.body.mfa_token));
  } else if (form.id === "main") {
    form.hidden = true;
    const back = named.get("return_to") || "";
    const isPath = back.startsWith("/") && !back.startsWith("//") && !back.includes("\\");
    if (isPath) location.assign(back);
    show(form.dataset.done);
  } else {
    continueAfterLogIn();
  }
}

function button(label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", async () => {
    const reply = await act();
    if (reply.ok) await showAccount();
    else explain(reply);
  });
  return made;
}

async function showOrganization(list, org) {
  const path = "/api/orgs/" + org.id;
  const item = document.createElement("li");
  item.textContent = org.name + " ";
  if (org.delete_time) {
    item.append("is deleted on " + new Date(org.delete_time).toLocaleString() + " ");
    item.append(button("Keep it", () => send("POST", path + ":undelete")));
  }
  const offer = await send("GET", path + "/ownership");
  if (offer.ok) {
    item.append(button("Accept its ownership", () => send("POST", path + "/ownership:accept")));
    item.append(button("Decline its ownership", () => send("POST", path + "/ownership:decline")));
  }
  list.append(item);
  await showApiKeys(list, org.name, path + "/api-keys");
}

// Only admins and owners may list the keys; others see none.
async function showApiKeys(list, organization, path) {
  const keys = await send("GET", path + "?page_size=100");
  for (const key of keys.body.items || []) {
    const item = document.createElement("li");
    item.textContent = "API key of " + organization + ": " + key.name + " (" + key.id + ") ";
    item.append(button("Revoke", () => send("DELETE", path + "/" + key.id)));
    list.append(item);
  }
}

async function showAccount() {
  const account = document.getElementById("account");
  const session = await send("GET", "/api/auth/session");
  account.hidden = !session.ok;
  if (!session.ok) return reveal("log-in");
  document.getElementById("who").textContent = session.body.user.email;
  const organizations = await send("GET", "/api/orgs");
  const list = document.getElementById("organizations");
  list.replaceChildren();
  for (const org of organizations.body.items || []) await showOrganization(list, org);
}

for (const form of document.forms) form.addEventListener("submit", submit);
if (document.getElementById("account")) {
  document.getElementById("log-out").addEventListener("click", async () => {
    await send("POST", "/api/auth/logout");
    await showAccount();
  });
  showAccount();
}
const failure = new URLSearchParams(location.search).get("error");
if (failure) show("The log-in did not succeed (" + failure + "). Try again.");
