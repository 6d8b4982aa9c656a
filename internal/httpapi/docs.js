// Shows the server's OpenAPI document: every operation with its parameters, bodies, answers, and a curl line to try it.
"use strict";

function el(tag, text, className) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

function resolve(spec, schema) {
  while (schema && schema.$ref) {
    schema = schema.$ref.replace("#/", "").split("/").reduce((at, key) => at && at[key], spec);
  }
  return schema || {};
}

function typeName(spec, schema) {
  const s = resolve(spec, schema);
  const type = Array.isArray(s.type) ? s.type.filter((t) => t !== "null").join(" or ") : s.type;
  if (type === "array") return "list of " + typeName(spec, s.items);
  if (s.enum) return s.enum.join(" | ");
  return s.format ? `${type} (${s.format})` : type || "any";
}

function members(spec, schema, prefix = "", depth = 0) {
  const s = resolve(spec, schema);
  const rows = [];
  for (const [name, child] of Object.entries(s.properties || {})) {
    const c = resolve(spec, child);
    const required = (s.required || []).includes(name) ? ", required" : "";
    rows.push([prefix + name, typeName(spec, child) + required, child.description || c.description || ""]);
    const inner = c.type === "array" ? c.items : child;
    if (depth < 2 && resolve(spec, inner).properties) {
      rows.push(...members(spec, inner, prefix + name + (c.type === "array" ? "[]." : "."), depth + 1));
    }
  }
  return rows;
}

function table(rows) {
  const t = el("table");
  for (const row of rows) {
    const tr = el("tr");
    row.forEach((cell, i) => {
      const td = el("td");
      td.append(i === 0 ? el("code", cell) : cell);
      tr.append(td);
    });
    t.append(tr);
  }
  return t;
}

function example(spec, schema, depth = 0) {
  const s = resolve(spec, schema);
  if (s.examples && s.examples.length) return s.examples[0];
  if (s.default !== undefined) return s.default;
  if (s.enum) return s.enum[0];
  if (s.properties && depth < 3) {
    const out = {};
    for (const name of s.required || []) out[name] = example(spec, s.properties[name], depth + 1);
    return out;
  }
  if (s.type === "array") return [example(spec, s.items, depth + 1)];
  return { string: "text", integer: 1, number: 1, boolean: true }[s.type] ?? {};
}

function curl(spec, method, path, op) {
  const url = location.origin + path.replace(/\{(\w+)\}/g, (_, name) => name.toUpperCase());
  const lines = [`curl -X ${method.toUpperCase()} '${url}'`];
  const content = op.requestBody && op.requestBody.content;
  if (content && content["application/json"]) {
    lines.push("-H 'Content-Type: application/json'");
    lines.push(`-d '${JSON.stringify(example(spec, content["application/json"].schema))}'`);
  }
  return lines.join(" \\\n  ");
}

function operation(spec, method, path, op) {
  const box = el("details");
  const head = el("summary");
  head.append(el("span", method.toUpperCase(), "method"), el("code", path), el("span", op.summary || ""));
  const body = el("div", undefined, "body");
  if (op.description) body.append(el("p", op.description));
  if (op.parameters && op.parameters.length) {
    body.append(el("h3", "Parameters"), table(op.parameters.map((p) => [p.name, `${typeName(spec, p.schema)}, in ${p.in}`, p.description || ""])));
  }
  for (const [type, media] of Object.entries((op.requestBody && op.requestBody.content) || {})) {
    body.append(el("h3", "Body: " + type), table(members(spec, media.schema)));
  }
  for (const [status, answer] of Object.entries(op.responses || {})) {
    for (const [type, media] of Object.entries(answer.content || {})) {
      if (type === "application/problem+json" && status !== "default") continue;
      body.append(el("h3", `Answer ${status}: ${type}`), table(members(spec, media.schema)));
    }
  }
  body.append(el("h3", "Try it"), el("pre", curl(spec, method, path, op)));
  box.append(head, body);
  return box;
}

async function show() {
  const main = document.getElementById("operations");
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error("GET /openapi.json: " + answer.status);
  const spec = await answer.json();
  document.getElementById("about").textContent = `${spec.info.description} Version ${spec.info.version}.`;
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const [method, op] of Object.entries(item)) {
      const tag = (op.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(spec, method, path, op));
    }
  }
  main.replaceChildren();
  for (const [tag, boxes] of groups) main.append(el("h2", tag), ...boxes);
}

show().catch((err) => { document.getElementById("operations").textContent = "The OpenAPI document can't be shown: " + err.message; });
