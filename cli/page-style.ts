// The style of pages that commands write: one file that needs nothing else, no script, no font, no network; light and dark.
import { html } from "../core/html.ts";

export const PAGE_STYLE = html`<style>
  :root {
    color-scheme: light dark;
    --ink: light-dark(#1c2530, #e4e8ee);
    --soft: light-dark(#566473, #9aa7b5);
    --line: light-dark(#d9dfe6, #38424e);
    --page: light-dark(#f6f7f9, #12161b);
    --card: light-dark(#fff, #1b2129);
    --b0: light-dark(#2a7f62, #58b894);
    --b1: light-dark(#c08a1e, #dcb155);
    --b2: light-dark(#b3412f, #ec8a75);
    --b3: light-dark(#7a4a9c, #b48ad4);
    --b4: light-dark(#2f6fb3, #6aa9ec);
  }
  * {
    box-sizing: border-box;
  }
  body {
    margin: 0;
    padding: 2rem 1rem;
    background: var(--page);
    color: var(--ink);
    font:
      15px/1.5 system-ui,
      "Noto Sans CJK SC",
      "PingFang SC",
      "Microsoft YaHei",
      sans-serif;
  }
  main {
    max-width: 60rem;
    margin: 0 auto;
  }
  h1 {
    font-size: 1.5rem;
    margin: 0;
  }
  h2 {
    font-size: 1.1rem;
    margin: 2rem 0 0.6rem;
  }
  h3 {
    font-size: 0.95rem;
    margin: 0 0 0.3rem;
  }
  p {
    margin: 0.3rem 0;
  }
  .soft {
    color: var(--soft);
  }
  .card {
    background: var(--card);
    border: 1px solid var(--line);
    border-radius: 8px;
    padding: 1rem 1.2rem;
    min-width: 0;
  }
  .tiles {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr));
    gap: 0.8rem;
    margin: 1.2rem 0 0;
  }
  .tiles b {
    display: block;
    font-size: 1.5rem;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .pair {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr));
    gap: 0.8rem;
  }
  .wide {
    overflow-x: auto;
  }
  svg {
    display: block;
    width: 100%;
    height: auto;
  }
  svg text {
    fill: var(--soft);
    font-size: 13px;
    font-family: inherit;
  }
  svg text.ink {
    fill: var(--ink);
  }
  .axis {
    stroke: var(--line);
  }
  .cut {
    stroke: var(--soft);
    stroke-dasharray: 3 3;
  }
  .curve {
    fill: none;
    stroke-width: 2.5;
    stroke-linejoin: round;
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font-variant-numeric: tabular-nums;
  }
  td,
  th {
    text-align: left;
    padding: 0.35rem 0.6rem 0.35rem 0;
    border-top: 1px solid var(--line);
  }
  tr:first-child > * {
    border-top: 0;
  }
  td.n,
  th.n {
    text-align: right;
    white-space: nowrap;
  }
  thead th {
    color: var(--soft);
    font-weight: 600;
  }
  tbody tr:first-child > * {
    border-top: 1px solid var(--line);
  }
  table:not(:has(thead)) tbody tr:first-child > * {
    border-top: 0;
  }
  td.bar {
    width: 45%;
  }
  i {
    display: block;
    height: 0.8rem;
    border-radius: 3px;
  }
  .range {
    position: relative;
    background: var(--line);
    height: 0.8rem;
    border-radius: 3px;
  }
  .range i {
    position: absolute;
    background: var(--b4);
    opacity: 0.55;
  }
  .range b {
    position: absolute;
    width: 3px;
    height: 0.8rem;
    background: var(--ink);
  }
  .key {
    display: inline-block;
    width: 0.8rem;
    height: 0.8rem;
    border-radius: 3px;
    vertical-align: -1px;
    margin-right: 0.4rem;
  }
  summary {
    cursor: pointer;
    color: var(--soft);
  }
</style>`;
