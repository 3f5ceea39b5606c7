#!/usr/bin/env python3
"""Writes jinja_snippets.jsonl and chat_own_golden.jsonl with jinja2 (3.1.2 made the stored files).

usage: make_jinja_snippets.py

A snippet holds one behaviour, rendered twice: "strict" is ImmutableSandboxedEnvironment(undefined=StrictUndefined,
keep_trailing_newline=True), "compatible" what transformers' apply_chat_template sets up. A result is {"text": ...} or
{"error": kind}; of an error only the kind is stored: syntax (the template does not parse) or render.
chat_own_golden.jsonl holds renderings of the chat templates in chat/.
"""
import copy
import json
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox

sys.dont_write_bytecode = True
from make_jinja_goldens import ALL, HERE, TALKS, TOOLS, clock, write

SCOPE = {**ALL, "tree": [{"name": "a", "kids": [{"name": "b", "kids": [{"name": "c", "kids": []}]}]}, {"name": "d", "kids": []}],
         "rows": [{"k": "x", "v": 1}, {"k": "x", "v": 2}, {"k": "y", "v": 3}, {"k": "Y", "v": 4}],
         "when": "2024-07-06T09:05:03", "strftime_now": "2024-07-06T09:05:03", "tools": TOOLS, "f": 2.5, "neg": -7,
         "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}, {"role": "assistant", "content": "A", "tool_calls": None}]}

# One snippet a line; \n and \\ inside are Jinja's own.
LINES = r"""
{{ 7 / 2 }} {{ 6 / 2 }} {{ -7 / 2 }} {{ 1 / 3 }} {{ 1e300 * 1e10 }} {{ -1e300 * 1e10 }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ -7 // -2 }} {{ 7.0 // 2 }} {{ -7.5 // 2 }} {{ 0 // 5 }}
{{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7 % -3 }} {{ 7.5 % 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 5.0 % 5 }}
{{ 2 ** 10 }} {{ 2 ** -2 }} {{ (-2) ** 3 }} {{ 2.5 ** 2 }} {{ 0 ** 0 }} {{ 2 ** 0.5 }} {{ 10 ** 18 }}
{{ 1 - 2 - 3 }} {{ 1 - (2 - 3) }} {{ 2 * 3 % 4 }} {{ 2 + 3 * 4 ** 2 }} {{ 8 / 2 / 2 }} {{ 8 // 3 * 3 }}
{{ -2 ** 2 }} {{ 2 ** 3 ** 2 }} {{ - 3 | abs }} {{ -3 | abs }} {{ +3 }} {{ - - 3 }} {{ -+-3 }}
{{ 1 + 1.0 }} {{ 1 * 1.0 }} {{ 3 - 0.5 }} {{ true + 1 }} {{ true + true }} {{ false * 5 }} {{ true / 2 }} {{ -true }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ 0 ** -1 }}
{{ "a" + 1 }}
{{ 1 + "a" }}
{{ "a" - "b" }}
{{ [1] + (2,) }}
{{ none + 1 }}
{{ {} + {} }}
{{ -"a" }}
{{ "a" * "b" }}
{{ "a" * 1.5 }}
{{ [1] * 2.0 }}
{{ 1 ~ 2 }} {{ 1 ~ "a" ~ 2.0 }} {{ none ~ true }} {{ [] ~ {} }} {{ "a" ~ "b" * 2 }} {{ 1 + 2 ~ 3 }} {{ 1 ~ 2 + 3 }}
{{ 1 ~ 2 * 3 }} {{ (1 ~ 2) | int + 3 }} {{ "x" ~ (1, 2) }}
{{ 1 < 2 < 3 }} {{ 3 > 2 > 1 }} {{ 1 < 3 < 2 }} {{ 1 == 1 == 1 }} {{ 1 < 2 == 2 }} {{ 1 in [1] == true }} {{ 1 != 2 != 1 }}
{{ "a" < "B" }} {{ "a" < "b" <= "b" }} {{ "abc" < "abd" }} {{ "" < "a" }} {{ "é" > "z" }} {{ "10" < "9" }}
{{ [1, 2] < [1, 2, 3] }} {{ [2] > [1, 9] }} {{ (1, 2) >= (1, 2) }} {{ [] < [0] }} {{ [1, "a"] < [1, "b"] }}
{{ 1 < "a" }}
{{ none < 1 }}
{{ [1] < (2,) }}
{{ {"a": 1} < {"b": 1} }}
{{ 1 == 1.0 }} {{ 1 == true }} {{ 0 == false }} {{ "1" == 1 }} {{ none == false }} {{ [] == () }} {{ [1.0] == [1] }} {{ {} == [] }}
{{ {"a": [1, {"b": 2}]} == {"a": [1, {"b": 2}]} }} {{ {"a": 1} != {"a": 2} }} {{ {"a": 1, "b": 2} == {"b": 2, "a": 1} }}
{{ 1 in [1, 2] }} {{ "1" in [1] }} {{ 1.0 in [1] }} {{ true in [1] }} {{ "a" in "cat" }} {{ "" in "" }} {{ "ct" in "cat" }}
{{ "a" in {"a": 1} }} {{ 1 in {"a": 1} }} {{ 1 in {1: 2} }} {{ [1] in [[1], 2] }} {{ (1,) in [(1,)] }} {{ none in [none] }}
{{ 1 not in [1] }} {{ not 1 in [2] }} {{ not (1 in [1]) }} {{ "z" not in "abc" }} {{ 5 in range(10) }} {{ 5 in range(0, 10, 2) }}
{{ 1 in "a" }}
{{ 1 in 5 }}
{{ "a" in none }}
{{ true and false }} {{ 1 and 0 }} {{ 0 and 1 / 0 }} {{ 1 or 1 / 0 }} {{ "" or [] or {} }} {{ "a" and "b" and "c" }} {{ none or none }}
{{ not 1 }} {{ not "" }} {{ not not [] }} {{ not 1 == 2 }} {{ not true and false }} {{ not (true and false) }} {{ true or false and false }}
{{ "a" if true }} [{{ "a" if false }}] {{ "a" if 0 else "b" }} {{ 1 if [] else 2 if {} else 3 }} {{ (1 if true else 2) + 1 }}
{{ [1 if true else 2, 3 if false else 4] }} {{ {"a": 1 if false else 2} }} {{ ("x" if no) is defined }} {{ ("x" if no else "y") | upper }}
{{ "a" "b" }} {{ 'a' "b" 'c' }} {{ "a" ~ "b" "c" }}
{{ "\n" | length }} {{ "\\n" | length }} {{ "\t|\x41|\u00e9|\U0001F600|\101|\0" | tojson }} {{ 'it\'s' }} {{ "say \"x\"" }} {{ "\/" }} {{ "\d+" }}
{{ "a\\b" }} {{ ["a\\b", "a\nb", "\r\t", "\x00\x1f\x7f\x80\xa0\xad", "\u2028\ufeff\ue000"] }}
{{ "'" }} {{ ["'", '"', "'\""] }} {{ {"it's": 'a"b'} }}
{{ 0x10 }} {{ 0XfF }} {{ 0b11 }} {{ 0o17 }} {{ 1_000_000 }} {{ 1e3 }} {{ 1E-3 }} {{ 1.5e+2 }} {{ 1_0.0_1 }} {{ 00 }}
{{ 1. }}
{{ .5 }}
{{ 012 }}
{{ 1__0 }}
{{ 0.1 }} {{ 1e100 }} {{ 1e-7 }} {{ 123456789012345678.0 }} {{ 1.0e15 }} {{ 1.0e16 }} {{ 0.0001 }} {{ 0.00001 }} {{ 100.0 }} {{ 1e5 }}
{{ 0.1 + 0.2 }} {{ 1.1 * 3 }} {{ 1e16 + 1 }} {{ -0.0 }} {{ 0.0 * -1 }} {{ 2.0 ** 70 }} {{ 3.0 }} {{ 1e22 }} {{ 1.7976931348623157e308 }}
{{ True }} {{ False }} {{ None }} {{ true }} {{ false }} {{ none }} {{ [True, none] }}
{{ TRUE }}
{{ (1) }} {{ (1,) }} {{ () }} {{ (1, 2) }} {{ ((1, 2), 3) }} {{ 1, 2 }} {{ 1, }} {{ [(1,)] }}
{{ [] }} {{ [1, 2,] }} {{ [[1], [2, [3]]] }} {{ {} }} {{ {"a": 1,} }} {{ {1: 2, 1.5: 3, true: 4, none: 5} }} {{ {(1, 2): 3} }}
{{ {"a": 1, "a": 2} }} {{ {1: "a", 1.0: "b", true: "c"} }} {{ {"b": 1, "a": 2} }}
{{ {[1]: 2} }}
{{ {"a" 1} }}
{{ {"a": {"b": {"c": 1}}}.a.b.c }} {{ {"a": {"b": 1}}["a"]["b"] }} {{ {"a": 1}.get("a") }} {{ [[1, 2], [3]][0][1] }}
{{ list[0] }} {{ list[-1] }} {{ list[true] }} {{ (1, 2)[1] }} {{ "héllo"[1] }} {{ "abc"[-1] }} {{ range(5)[2] }} {{ range(5)[-1] }}
{{ list.0 }} {{ list.1 }} {{ docs.0.id }} {{ docs[0]["id"] }} {{ docs[0].tags.1 }}
{{ list[10] }}
{{ list["a"] }}
{{ d["zz"] }}
{{ d.zz }}
{{ d.zz.y }}
{{ nope }}
{{ nope.x }}
{{ nope["x"] }}
{{ nope() }}
{{ nope + 1 }}
{{ 1 - nope }}
{{ "a" ~ nope ~ "b" }}
{{ nope == 1 }}
{{ nope == nope }}
{{ nope < 1 }}
{{ not nope }}
{{ nope or "x" }}
{{ nope and "x" }}
{{ "x" or nope }}
{{ [nope] }}
{{ {"a": nope} | length }}
{{ nope | upper }}
{{ nope | length }}
{{ nope | list }}
{{ nope | join(",") }}
{{ nope | first }}
{{ nope | default("d") }} {{ nope | d("d") }} {{ nope | default }}| {{ nope | default(1) + 1 }} {{ d.zz | default("d") }} {{ list[9] | default("d") }}
{{ nope | tojson }}
{{ nope | int }}
{{ nope | string }}
{{ nope | replace("a", "b") }}
{{ nope | sort }}
{{ nope | map("upper") | list }}
{{ nope | selectattr("a") | list }}
{{ nope is defined }} {{ nope is undefined }} {{ nope is not defined }} {{ d.zz is defined }} {{ d.a is defined }} {{ list[0] is defined }}
{{ nope.x is defined }}
{{ nope in [1] }}
{{ 1 in nope }}
{% for x in nope %}x{% else %}e{% endfor %}
{% if nope %}y{% else %}n{% endif %}
{% if nope is defined and nope.x %}y{% else %}n{% endif %}
{% if d.zz is defined %}y{% elif d.a %}a{% endif %}
{{ nope.x.y }}
{{ nothing.x }}
{{ nothing.x.y }}
{{ n.x }}
{{ nothing | default("d") }} {{ nothing | default("d", true) }} {{ "" | default("d", true) }} {{ 0 | default(5, boolean=true) }} {{ nothing | default(default_value="z", boolean=true) }}
{{ list[1:] }} {{ list[:1] }} {{ list[:] }} {{ list[::2] }} {{ list[::-1] }} {{ list[-2:] }} {{ list[:-2] }} {{ list[5:9] }} {{ list[2:1] }} {{ list[-9:2] }}
{{ "hello"[1:3] }} {{ "hello"[::-1] }} {{ "żółć"[1:3] }} {{ "hello"[::2] }} {{ "hello"[3:0:-1] }} {{ "hello"[-3:] }} {{ "a"[5:] }}|
{{ (1, 2, 3)[1:] }} {{ range(10)[2:5] }} {{ range(10)[::3] | list }} {{ range(10)[::-1] | list }} {{ list[none:none] }} {{ list[1:none] }} {{ list[:n] }}
{{ list[::0] }}
{{ list["a":] }}
{{ n[1:] }}
{{ list[1,] }}
{% for x in list[1:] %}{{ x }}{% endfor %} {% for m in messages[1:] %}{{ m.role }}{% endfor %} {{ messages[-1]["role"] }} {{ messages[::-1][0].role }}
{% for x in list %}{{ x }}{% endfor %}|{% for x in "abc" %}{{ x }}.{% endfor %}|{% for k in d %}{{ k }}{% endfor %}|{% for x in (1, 2) %}{{ x }}{% endfor %}
{% for x in [] %}{{ x }}{% else %}empty{% endfor %} {% for x in list if x > 5 %}{{ x }}{% else %}none{% endfor %} {% for x in "" %}{% else %}e{% endfor %}
{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}
{% for x in list %}{{ loop.previtem | default("-") }}{{ x }}{{ loop.nextitem | default("-") }} {% endfor %}
{% for x in list %}{{ loop.cycle("a", "b") }}{% endfor %} {% for x in list %}{{ loop.cycle(*["p", "q"]) }}{% endfor %}
{% for r in rows %}{{ loop.changed(r.k) }} {% endfor %} {% for r in rows %}{% if loop.changed(r.k) %}[{{ r.k }}]{% endif %}{{ r.v }}{% endfor %}
{% for x in [1, 1, 2] %}{{ loop.changed(x, x > 1) }}{% endfor %} {% for x in [none, none] %}{{ loop.changed(x) }}{% endfor %}
{% for x in list %}{{ loop.depth }}{{ loop.depth0 }}{% for y in [1] %}{{ loop.depth }}{% endfor %}{% endfor %}
{% for t in tree recursive %}{{ t.name }}{% if t.kids %}({{ loop(t.kids) }}){% endif %}{% endfor %}
{% for t in tree recursive %}{{ loop.depth }}{{ loop.depth0 }}{{ t.name }}{{ loop.index }}{{ loop(t.kids) }}{% endfor %}
{% for t in tree recursive %}<{{ t.name }}{% for x in t.kids %}{{ x.name }}{% endfor %}{{ loop(t.kids) }}>{% else %}.{% endfor %}
{%- for t in tree recursive if t.name != "c" %}{{ t.name }}{{ loop(t.kids) | upper }}{% endfor -%}
{% for t in tree recursive %}{% set outer = loop %}{% for k in [1] %}{{ outer(t.kids) }}{% endfor %}{{ t.name }}{% endfor %}
{% for x in list %}{{ loop(x) }}{% endfor %}
{{ loop(1) }}
{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %} {% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %} {% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}
{% for a, b in ["xy", "zw"] %}{{ b }}{{ a }}{% endfor %} {% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for a, b in [1] %}{{ a }}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in none %}{% endfor %}
{% for x in true %}{% endfor %}
{% set x = 0 %}{% for x in list %}{% endfor %}{{ x }}
{% set s = 0 %}{% for x in list %}{% set s = s + x %}{{ s }},{% endfor %}{{ s }}
{% for x in list %}{% set seen = x %}{% endfor %}{{ seen is defined }}
{% for x in list %}{% if loop.first %}{% set y = x %}{% endif %}{{ y is defined }}{% endfor %}
{% set y = 9 %}{% for x in list %}{% if x == 1 %}{% set y = x %}{% endif %}{{ y }}{% endfor %}{{ y }}
{% if true %}{% set z = 1 %}{% endif %}{{ z }} {% if false %}{% set w = 1 %}{% endif %}{{ w is defined }}
{% set ns = namespace(a=1) %}{% for x in list %}{% set ns.a = ns.a + x %}{% endfor %}{{ ns.a }} {{ ns.b is defined }} {{ ns["a"] }}
{% set ns = namespace(d, x=1) %}{{ ns.a }}{{ ns.b }}{{ ns.x }} {% set ns.y = [1] %}{{ ns.y }}
{% set d.x = 1 %}
{% set nope.x = 1 %}
{% set ns = namespace() %}{{ ns.zz }}
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set (a, b) = (b, a) %}{{ a }}{{ b }} {% set a, (b, c) = [1, [2, 3]] %}{{ c }}
{% set a, b = [1] %}
{% set a = 1, 2 %}{{ a }} {% set b = (1) %}{{ b }} {% set c = [] %}{{ c }}
{% set x %}a{{ n }}b{% endset %}{{ x }}{{ x | length }} {% set y | upper | replace("A", "-") %}abc{% endset %}{{ y }}
{% set x %}{% set inner = 1 %}{{ inner }}{% endset %}{{ x }}{{ inner is defined }}
{% set true = 1 %}
{% set x = %}
{% set 1 = 2 %}
{% macro m(a, b=2, c="x") %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c="z") }}{{ m(c=1, a=2, b=3) }}{{ m("q", *[7, 8]) }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m() }}{{ m(1, 2) }}{{ m(a=1) }}{{ m(1, b=2, **{"c": 3}) }}{{ m(*[1, 2], **{}) }}
{% macro m(a) %}{{ a }}{{ varargs }}{% endmacro %}{{ m(1, 2, 3) }} {% macro k(a) %}{{ a }}{{ kwargs.b }}{% endmacro %}{{ k(1, b=2) }}
{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(1) }}
{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=1) }}
{% macro m(a) %}{% endmacro %}{{ m(1, a=1) }}
{% macro m(a, a) %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% macro fact(k) %}{{ 1 if k < 2 else k * (fact(k - 1) | int) }}{% endmacro %}{{ fact(10) }}
{% macro m() %}x{% endmacro %}{{ m() ~ m() }} {{ m() | upper }} {{ m() * 3 }} {{ m() == "x" }} {{ m is callable }} {{ m.name }} {{ m.arguments }}
{% macro m(a, b=1) %}{% endmacro %}{{ m.name }} {{ m.arguments }} {{ m.catch_kwargs }} {{ m.catch_varargs }} {{ m.caller }}
{% set v = 1 %}{% macro m() %}{{ v }}{% set v = 2 %}{{ v }}{% endmacro %}{{ m() }}{{ v }}
{% macro m() %}{{ late }}{% endmacro %}{% set late = 3 %}{{ m() }}
{% for x in list %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}
{% for x in list %}{% macro m(y) %}{{ loop is defined }}{{ y }}{% endmacro %}{{ m(loop.index) }}{% endfor %}
{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}
{% macro outer() %}[{{ caller() }}]{% endmacro %}{% call outer() %}in{% endcall %}{% call outer() %}{{ n }}{% endcall %}
{% macro l(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(a, b) l(list) %}({{ a }}{{ b }}){% endcall %}
{% macro o() %}{{ caller("x") }}{{ caller(b=3) }}{% endmacro %}{% call(a="d", b=1) o() %}{{ a }}{{ b }};{% endcall %}
{% macro o() %}{% if caller %}{{ caller() }}{% else %}none{% endif %}{% endmacro %}{{ o() }}{% call o() %}c{% endcall %}
{% macro o() %}x{% endmacro %}{% call o() %}c{% endcall %}
{% macro i() %}<{{ caller() }}>{% endmacro %}{% macro o() %}{% call i() %}o{{ caller() }}{% endcall %}{% endmacro %}{% call o() %}z{% endcall %}
{% call n %}x{% endcall %}
{% filter upper %}a{{ "b" }}{% for x in "cd" %}{{ x }}{% endfor %}{% endfilter %} {% filter trim | replace("a", "b") %} aa {% endfilter %}|
{% filter indent(2) %}a
{% with a = 1 %}{{ a }}{% with a = 2, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}{% endwith %}{{ a is defined }}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}
{% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}
{% raw %}{{ a }}{% if %}{# x #}{% endraw %}|{%raw%}{{{%endraw%}|{% raw -%}  x  {%- endraw %}
{# c #}a{#- c -#} b {# {{ x }} {% y %} #}c {#a#}{##}d
a {{- " b " -}} c {%- if true -%} d {%- endif -%} e {#- f -#} g
{% if true %}a{% endif %}{% if false %}b{% elif true %}c{% else %}d{% endif %}{% if [] %}e{% else %}f{% endif %}
{% if n > 5 and n < 10 or n == 100 %}y{% endif %}{% if not (n > 5) %}x{% endif %}{% if n is odd and n is not even %}z{% endif %}
{% if %}{% endif %}
{% if true %}
{% endif %}
{% else %}
{% for x in %}{% endfor %}
{% for in list %}{% endfor %}
{% unknown %}
{{ }}
{{ 1 2 }}
{{ a b }}
{{ "a }}
{{ (1 }}
{{ 1 ) }}
{{ [1 }}
{{ a. }}
{{ a.[0] }}
{{ a | }}
{{ a is }}
{{ f(a=1, 2) }}
{{ f(a=1, a=2) }}
{{ 1 if }}
{{ not }}
{{ 1 + }}
{{ * 1 }}
{{ a ! b }}
{{ a & b }}
{{ a ? b : c }}
{{ n | nofilter }}
{{ n is notest }}
{{ n | upper(1) }}
{{ n | replace }}
{% if n | nofilter %}{% endif %}
{{ 5 | int }} {{ "5" | int }} {{ "5.7" | int }} {{ 5.7 | int }} {{ "x" | int }} {{ "x" | int(-1) }} {{ "" | int }} {{ none | int }} {{ [] | int }} {{ "0b11" | int(0, 2) }} {{ "0o7" | int(base=8) }} {{ "z" | int(0, 36) }} {{ " 7 " | int }} {{ true | int }} {{ "-5" | int }} {{ "+5" | int }}
{{ "1e2" | float }} {{ 5 | float }} {{ "x" | float }} {{ "x" | float(2.5) }} {{ none | float }} {{ "  1.5  " | float }} {{ ".5" | float }} {{ "5." | float }} {{ "1_0" | float }} {{ "infinity" | float }} {{ "-nan" | float }} {{ true | float }}
{{ 2.5 | round }} {{ 3.5 | round }} {{ -2.5 | round }} {{ 2.675 | round(2) }} {{ 1.005 | round(2) }} {{ 0.5 | round }} {{ 1.5 | round }} {{ 12345 | round(-2) }} {{ 2.1 | round(0, "ceil") }} {{ 2.9 | round(0, "floor") }} {{ 2.123 | round(2, "ceil") }} {{ 5 | round(1) }} {{ 1e20 | round }} {{ 12.5 | round | int }}
{{ 1 | round(1, "up") }}
{{ "a" | round }}
{{ 3 | abs }} {{ -3.5 | abs }} {{ true | abs }} {{ -0.0 | abs }}
{{ "a" | abs }}
{{ "aBc" | upper }} {{ "aBc" | lower }} {{ "aBc dEf" | capitalize }} {{ "aBc dEf-gHi it's (x)" | title }} {{ "straße" | upper }} {{ "ΑΣ" | lower }} {{ 1.5 | upper }} {{ none | lower }} {{ true | upper }}
{{ "  a " | trim }}| {{ "xax" | trim("x") }} {{ "xyaxy" | trim("yx") }} {{ 5 | trim }} {{ "\n\ta\r" | trim }} {{ "  " | trim }}|
{{ "abab" | replace("a", "x") }} {{ "abab" | replace("a", "x", 1) }} {{ "abab" | replace("", "-") }} {{ "aaa" | replace("aa", "b") }} {{ 101 | replace(1, 2) }} {{ "a" | replace("a", 5) }} {{ "abab" | replace("ab", "", count=1) }} {{ "aa" | replace("a", "b", 0) }}
{{ [1, 2] | join }} {{ [1, none, true] | join(", ") }} {{ rows | join("/", attribute="k") }} {{ "abc" | join("-") }} {{ d | join("+") }} {{ [] | join(",") }} {{ [[1], "a"] | join(" ") }} {{ (1, 2) | join(0) }} {{ range(3) | join }} {{ rows | map(attribute="v") | join("+") }}
{{ 5 | join }}
{{ "abc" | first }} {{ "abc" | last }} {{ list | first }} {{ list | last }} {{ d | first }} {{ (1, 2) | last }} {{ range(3) | last }} {{ [[]] | first }}
{{ [] | first }}
{{ [] | last }}
{{ 5 | first }}
{{ "abc" | length }} {{ "żó" | count }} {{ d | length }} {{ (1,) | length }} {{ range(7) | length }} {{ "" | length }} {{ rows | map(attribute="k") | list | length }}
{{ 5 | length }}
{{ none | length }}
{{ "abc" | list }} {{ d | list }} {{ range(2) | list }} {{ (1, 2) | list }} {{ d.items() | list }} {{ "żó" | list }} {{ [] | list }}
{{ 5 | list }}
{{ [3, 1, 2] | sort }} {{ ["b", "A", "a", "B"] | sort }} {{ ["b", "A", "a", "B"] | sort(case_sensitive=true) }} {{ [3, 1] | sort(true) }} {{ [3, 1] | sort(reverse=true) }} {{ "bca" | sort }} {{ d | sort }} {{ [1.5, 1, true] | sort }} {{ [[2, 1], [1, 2]] | sort }} {{ ["é", "z", "a"] | sort }}
{{ rows | sort(attribute="v", reverse=true) | map(attribute="v") | list }} {{ rows | sort(attribute="k") | map(attribute="v") | list }} {{ rows | sort(attribute="k,v", reverse=true) | map(attribute="v") | list }} {{ rows | sort(case_sensitive=true, attribute="k") | map(attribute="v") | list }} {{ [[1, 2], [1, 1]] | sort(attribute=1) }}
{{ [1, "a"] | sort }}
{{ [none, 1] | sort }}
{{ [{}, {}] | sort }}
{{ rows | sort(attribute="zz") }}
{{ [1, 1, 2] | unique | list }} {{ ["a", "A", "b"] | unique | list }} {{ ["a", "A"] | unique(true) | list }} {{ rows | unique(attribute="k") | map(attribute="v") | list }} {{ [1, 1.0, true] | unique | list }} {{ "aab" | unique | list }} {{ [] | unique | list }}
{{ [[1], [1]] | unique | list }}
{{ [1, 2, 3] | reverse | list }} {{ "abc" | reverse }} {{ (1, 2) | reverse | list }} {{ d | reverse | list }} {{ range(3) | reverse | list }} {{ [] | reverse | list }} {{ d.items() | reverse | list }}
{{ 5 | reverse }}
{{ [1, 2] | sum }} {{ [1.5, 2] | sum }} {{ [] | sum }} {{ [1] | sum(start=5) }} {{ rows | sum(attribute="v") }} {{ rows | sum("v", 100) }} {{ [true, true] | sum }} {{ (0.1, 0.2) | sum }}
{{ ["a"] | sum }}
{{ ["a", "b"] | sum(start="") }}
{{ [3, 1, 2] | min }} {{ [3, 1, 2] | max }} {{ "hello" | max }} {{ ["b", "A"] | min }} {{ ["b", "A"] | min(true) }} {{ rows | max(attribute="v") }} {{ rows | min(attribute="k") }} {{ [1, 1.0] | max }} {{ [[1], [2]] | max }} {{ d | min }}
{{ [] | min }}
{{ [1, "a"] | max }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3] | batch(2, "x") | list }} {{ "abcd" | batch(3) | list }} {{ [] | batch(3) | list }} {{ [1] | batch(3, 0) | list }} {{ [1, 2] | batch(2, "x") | list }}
{{ range(10) | slice(3) | list }} {{ range(10) | slice(3, "x") | list }} {{ [1, 2] | slice(3) | list }} {{ [1, 2] | slice(3, 0) | list }} {{ "abcde" | slice(2) | list }} {{ [] | slice(2) | list }}
{% for row in range(5) | batch(2, "-") %}{% for x in row %}{{ x }}{% endfor %}|{% endfor %} {% for col in range(5) | slice(2) %}{{ col | join }}|{% endfor %}
{{ rows | groupby("k") | list | length }} {% for k, g in rows | groupby("k") %}{{ k }}:{{ g | map(attribute="v") | join(",") }};{% endfor %} {% for g in rows | groupby("k", case_sensitive=true) %}{{ g.grouper }}{{ g.list | length }}{% endfor %} {% for k, g in rows | groupby("z", default="q") %}{{ k }}{{ g | length }}{% endfor %} {{ rows | groupby("k") | map("first") | list }} {{ rows | map(attribute="v") | list | groupby(0) | list }}
{{ [[1, "a"], [0, "b"], [1, "c"]] | groupby(0) | list }} {% for k, g in [(1, 2), (1, 3)] | groupby(0) %}{{ k }}{{ g }}{% endfor %}
{{ rows | map(attribute="k") | list }} {{ rows | map(attribute="z", default="-") | list }} {{ ["a", "b"] | map("upper") | join }} {{ [1.26, 2.51] | map("round", 1) | list }} {{ ["a,b", "c"] | map("replace", ",", ";") | list }} {{ [[1, 2], [3]] | map("length") | list }} {{ [[1, 2], [3, 4]] | map(attribute=1) | list }} {{ [[3, 1], [2]] | map("sort", reverse=true) | list }} {{ [] | map("upper") | list }} {{ rows | map("items") | map("list") | first }} {{ ["1", "x"] | map("int", default=-1) | list }}
{{ rows | map("nofilter") | list }}
{{ rows | map() | list }}
{{ rows | map(attribute="k", foo=1) | list }}
{{ rows | map(attribute="zz") | list }}
{{ [1, 2, 3, 4] | select("even") | list }} {{ [1, 2, 3] | select("divisibleby", 3) | list }} {{ [0, 1, none, "a"] | select | list }} {{ [1, 2, 3] | reject("odd") | list }} {{ ["a", 1] | select("string") | list }} {{ [1, 5] | select("gt", 2) | list }} {{ [1, 5] | select("in", [5]) | list }} {{ ["a", ""] | reject | list }} {{ [1, 2, 3] | select("==", 2) | list }} {{ [3, 4] | select(">=", 4) | list }} {{ ["ab", "c"] | select("in", "abz") | list }} {{ [none, 1] | reject("none") | list }}
{{ rows | selectattr("v", "gt", 2) | map(attribute="v") | list }} {{ rows | selectattr("k", "equalto", "x") | list | length }} {{ rows | rejectattr("k", "eq", "x") | map(attribute="v") | list }} {{ messages | selectattr("role", "equalto", "user") | map(attribute="content") | first }} {{ messages | selectattr("tool_calls", "defined") | list | length }} {{ messages | rejectattr("tool_calls", "defined") | list | length }} {{ messages | selectattr("role", "in", ["user", "system"]) | list | length }} {{ people | selectattr("address.zip", "eq", "0150") | map(attribute="name") | list }} {{ rows | selectattr("v") | list | length }} {{ rows | selectattr("zz", "undefined") | list | length }}
{{ rows | selectattr("v", "nope") | list }}
{{ rows | selectattr() | list }}
{{ d | dictsort }} {{ d | dictsort(true) }} {{ d | dictsort(false, "value") }} {{ d | dictsort(reverse=true) }} {{ d | dictsort(by="value", reverse=true) }} {% for k, v in d | dictsort %}{{ k }}{{ v }}{% endfor %} {{ {} | dictsort }}
{{ d | dictsort(by="x") }}
{{ [1] | dictsort }}
{{ {1: 2, "a": 3} | dictsort }}
{{ d | items | list }} {{ {} | items | list }} {% for k, v in d | items %}{{ k }}={{ v }} {% endfor %}
{{ [1] | items | list }}
{{ "a\nb\n\nc" | indent }} {{ "a\nb" | indent(2, true) }} {{ "a\n\nb" | indent(2, false, true) }} {{ "a\nb" | indent("--") }} {{ "a\nb\n" | indent(1) }}| {{ "\na" | indent(2, first=true) }} {{ "" | indent(2, true) }}| {{ "a\r\nb" | indent(1) }}
{{ "hello brave new world" | wordwrap(10) }}|{{ "averyveryverylongword x" | wordwrap(5) }}|{{ "averyveryverylongword x" | wordwrap(5, false) }}|{{ "a b c d" | wordwrap(3, wrapstring="/") }}|{{ "one\ntwo three" | wordwrap(7) }}|{{ "well-known thing-like" | wordwrap(8) }}|{{ "well-known thing-like" | wordwrap(8, break_on_hyphens=false) }}|{{ "" | wordwrap(5) }}|{{ "a\n\nb" | wordwrap }}
{{ "  lead and   inner  space  " | wordwrap(8) }}|{{ "tab\there and there" | wordwrap(6) }}|{{ lines | wordwrap(4) }}|{{ "x-y-z 1-2 a--b-c -opt --long" | wordwrap(4) }}|{{ "żółć gęślą jaźń" | wordwrap(5) }}|{{ question | wordwrap(9, true, "~") }}
{{ "foo bar baz" | truncate(7) }} {{ "foo bar baz" | truncate(7, true) }} {{ "foo bar baz" | truncate(3, true, "") }} {{ "foo bar baz qux" | truncate(11, false, "..", 0) }} {{ "foo" | truncate(3) }} {{ "foobarbaz" | truncate(6, leeway=0) }} {{ "foobarbazqux" | truncate(10, leeway=2) }} {{ "foobarbazqux" | truncate(9, leeway=1, end="…") }} {{ 1234567890 | truncate(5) if no else "-" }}
{{ "abc" | truncate(2) }}
{{ "abc" | center(7) }}| {{ "ab" | center(5) }}| {{ "abc" | center(2) }}| {{ 5 | center(3) }}| {{ "é" | center(4) }}|
{{ "a b-c d_e" | wordcount }} {{ "" | wordcount }} {{ "żółć ok" | wordcount }} {{ "it's" | wordcount }}
{{ "<a&'\">" | escape }} {{ "<" | e }} {{ "<" | e | e }} {{ "<" | escape | forceescape }} {{ "<" | safe }} {{ "<" | safe | e }} {{ "<" | safe ~ "<" }} {{ 5 | e }} {{ none | e }} {{ ["<"] | e }}
{{ "<b>" | e + "<i>" }} {{ "<i>" + ("<b>" | e) }} {{ ("<b>" | e) * 2 }} {{ "%s" | safe | format("<") }} {{ ("<" | e) | upper }} {{ ("<" | e) | length }} {{ ["<", ">" | e] | join }} {{ ("<" | e) | replace("&", "<") }} {{ ("a" | safe) ~ "<" }}
{{ "a b&c/d?é" | urlencode }} {{ {"a": 1, "b c": "d&"} | urlencode }} {{ [["x", 1]] | urlencode }} {{ 3 | urlencode }} {{ "~-_.!*()" | urlencode }} {{ {"k": none} | urlencode }}
{{ "<p>Hello <b>big</b>\n world</p><!-- c --> &lt;x&gt; &amp; &#39;" | striptags }} {{ "a < b" | striptags }} {{ "" | striptags }}| {{ "  x   y " | striptags }} {{ 5 | striptags }}
{{ 0 | filesizeformat }} {{ 1 | filesizeformat }} {{ 999 | filesizeformat }} {{ 1000 | filesizeformat }} {{ 1500 | filesizeformat }} {{ 1e6 | filesizeformat }} {{ 123456789 | filesizeformat }} {{ 1e13 | filesizeformat }} {{ 1024 | filesizeformat(true) }} {{ 1536 | filesizeformat(binary=true) }} {{ 1023 | filesizeformat(true) }} {{ "4200" | filesizeformat }} {{ 1e25 | filesizeformat }} {{ 123456789012 | filesizeformat(true) }}
<li{{ {"class": "a b", "id": none, "n": 5, "t": "<\">"} | xmlattr }}> <li{{ {} | xmlattr }}> {{ {"a": 1} | xmlattr(false) }} {{ {"a": nope} | xmlattr }}
{{ "%s and %d" | format("a", 5) }} {{ "%5.1f|%-5s|%05d|%+d|%x|%X|%o|%e|%g|%%" | format(3.14159, "ab", 42, 7, 255, 255, 8, 12345.678, 0.0001) }} {{ "%(a)s %(b)s" | format(a=1, b="x") }} {{ "%r" | format("q") }} {{ "%c%c" | format("a", 66) }} {{ "%s" | format([1, "a"]) }} {{ "%10s|%-10s|%.2s" | format("abc", "abc", "abc") }} {{ "%i" | format(3.99) }} {{ "%5s" | format(none) }} {{ "%#x %#o" | format(255, 8) }}
{{ "%s %s" | format(1) }}
{{ "%s" | format(1, 2) }}
{{ "%d" | format("a") }}
{{ "%q" | format(1) }}
{{ "%(a)s" | format(b=1) }}
{{ "%s" % "a" }} {{ "%s-%s" % (1, 2) }} {{ "%d%%" % 50 }} {{ "%.3f" % 3.14159 }} {{ "%(x)s" % {"x": 5} }} {{ "%5d|%-5d|" % (1, 2) }} {{ "%s" % (none,) }}
{{ "{} and {}".format(1, "b") }} {{ "{0}{1}{0}".format("a", "b") }} {{ "{x}".format(x=5) }} {{ "{:>5}|{:<5}|{:^5}|{:*^7}".format("a", "b", "c", "d") }} {{ "{:.2f} {:05d} {:,} {:+} {:x} {:e} {:%}".format(3.14159, 42, 1234567, 5, 255, 12345.678, 0.25) }} {{ "{{}}".format() }} {{ "{!r}".format("a") }} {{ "{:10.3f}|{:<10.1f}|{:08.2f}".format(3.14159, 2.0, -1.5) }} {{ "{:s}{:d}".format("a", 5) }} {{ "{}".format([1, "a"]) }} {{ "{a[0]} {b[k]}".format(a=[1], b={"k": 2}) }}
{{ "{:,.2f} {:_} {:#x} {:b} {:o} {:X} {:c} {:g} {:n} {:10} {:<4}| {:>{}}".format(1234567.891, 1234567, 255, 5, 8, 255, 65, 1e10, 5, 3, 7, "x", 4) }} {{ "{:.3}".format("abcdef") }} {{ "{:.3}".format(3.14159) }} {{ "{:5}|{:5}|".format("a", true) }} {{ "{}{}{}".format(none, true, 1.0) }}
{{ "{} {}".format(1) }}
{{ "{x}".format(1) }}
{{ "{:d}".format("a") }}
{{ "{".format() }}
{{ "{0} {}".format(1, 2) }}
{{ {"b": 1, "a": [1, 2.0, none, true, "é<>&'"]} | tojson }} {{ "a/b" | tojson }} {{ "\u2028\x7f" | tojson }} {{ 1e400 | tojson }} {{ (1, 2) | tojson }} {{ {1: 2} | tojson }} {{ "😀" | tojson }} {{ "" | tojson }} {{ [] | tojson }} {{ 1e16 | tojson }}
{{ {"a": {"b": [1, {}]}, "c": []} | tojson(indent=2) }} {{ [1, 2] | tojson(indent=0) }} {{ {"a": 1} | tojson(indent=4) }} {{ {} | tojson(indent=2) }} {{ {"k": [[]]} | tojson(indent=1) }}
{{ tools | tojson }} {{ tools[0].function.parameters | tojson(indent=2) }}
{{ range(3) | tojson }}
{{ {"a": range} | tojson }}
{{ "abc" is string }} {{ 5 is string }} {{ 5 is number }} {{ 5.0 is number }} {{ true is number }} {{ true is integer }} {{ 5.0 is integer }} {{ 5.0 is float }} {{ none is none }} {{ {} is mapping }} {{ [] is mapping }} {{ [] is sequence }} {{ "" is sequence }} {{ {} is sequence }} {{ 5 is iterable }} {{ "a" is iterable }} {{ range(2) is sequence }} {{ range is callable }} {{ "a" is callable }} {{ true is boolean }} {{ 1 is boolean }} {{ d.items() is iterable }} {{ d.items is callable }}
{{ 1 is true }} {{ true is true }} {{ false is false }} {{ none is false }} {{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(4) }} {{ -3 is odd }} {{ 2.0 is even }} {{ 1 is not true }} {{ 0 is false }}
{{ "abc" is lower }} {{ "ABC" is upper }} {{ "aBc" is lower }} {{ "123" is lower }} {{ "" is upper }} {{ 5 is lower }} {{ "É" is upper }}
{{ 1 is eq 1 }} {{ 1 is equalto 1 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is le 2 }} {{ 1 is gt 0 }} {{ 1 is ge 2 }} {{ 1 is in [1] }} {{ 1 is sameas 1 }} {{ true is sameas 1 }} {{ none is sameas none }} {{ "a" is in "abc" }} {{ [] is sameas [] }} {{ 1 is eq(1.0) }} {{ list is sameas list }} {{ 1 is == 1 }}
{{ 1 is in [1, 2] and 3 is not in [1] }} {{ 5 is divisibleby 5 and true }} {{ not 5 is odd }} {{ n is defined and n is number and n is odd }} {{ "a" is string or fail }} {{ (n is odd) ~ "x" }} {{ [n is odd, n is even] }}
{{ "upper" is filter }} {{ "zz" is filter }} {{ "odd" is test }} {{ "zz" is test }} {{ "<" | e is escaped }} {{ "a" is escaped }} {{ "%" is in "50%" }}
{{ "abc" is divisibleby 3 }}
{{ "a" is odd }}
{{ "Hello".upper() }} {{ "Hello".lower() }} {{ "hello wOrld".title() }} {{ "hello World".capitalize() }} {{ "hELLO".swapcase() }} {{ uni.swapcase() }} {{ "aΣ Σ".swapcase() }} {{ "Straße ΑΣ".casefold() }} {{ "it's ok".title() }}
{{ " a ".strip() }}| {{ "xax".strip("x") }} {{ " a ".lstrip() }}| {{ " a ".rstrip() }}| {{ "abcba".lstrip("ab") }} {{ "abcba".rstrip("ab") }} {{ "\na\n".strip() }} {{ "a".strip("") }} {{ "  a".strip(none) }}
{{ "a,b,c".split(",") }} {{ "a b\tc\n".split() }} {{ "a,b,c".split(",", 1) }} {{ "a,b,c".rsplit(",", 1) }} {{ "".split(",") }} {{ "".split() }} {{ ",a,".split(",") }} {{ "a--b".split("--") }} {{ "a b c".split(" ", maxsplit=1) }} {{ "a b c".split(maxsplit=1) }} {{ "abc".split("b")[-1] }} {{ "a</think>b".split("</think>")[-1] }}
{{ "a".split("") }}
{{ "a".split(1) }}
{{ "a\nb\r\nc".splitlines() }} {{ "a\n\nb\n".splitlines() }} {{ "a\nb".splitlines(true) }} {{ "".splitlines() }} {{ "a\x0bb\u2028c".splitlines() }}
{{ "abc".startswith("a") }} {{ "abc".startswith(("x", "ab")) }} {{ "abc".endswith("c") }} {{ "abc".endswith(("x", "bc")) }} {{ "abc".startswith("") }} {{ "abc".startswith("b", 1) }} {{ "abc".endswith("b", 0, 2) }} {{ "abc".startswith("abcd") }}
{{ "abc".startswith(1) }}
{{ "abc".startswith(["a"]) }}
{{ "abcabc".find("c") }} {{ "abc".find("z") }} {{ "abcabc".rfind("a") }} {{ "abcabc".find("a", 1) }} {{ "abcabc".find("c", 0, 2) }} {{ "abc".index("b") }} {{ "żółć".find("ł") }} {{ "aaa".count("a") }} {{ "aaa".count("aa") }} {{ "aaa".count("a", 1) }} {{ "abc".count("") }}
{{ "abc".index("z") }}
{{ "a-b".replace("-", "+") }} {{ "aaa".replace("a", "b", 2) }} {{ "abc".replace("", ".") }} {{ "abc".replace("b", "") }} {{ "a".replace("a", "a" * 3) }}
{{ "-".join(["a", "b"]) }} {{ "".join("abc") }} {{ ", ".join([]) }}| {{ "x".join(("a", "b")) }} {{ "-".join({"a": 1, "b": 2}) }} {{ " ".join(rows | map(attribute="k")) }}
{{ "-".join([1]) }}
{{ "a=b=c".partition("=") }} {{ "a=b=c".rpartition("=") }} {{ "abc".partition("x") }} {{ "abc".rpartition("x") }}
{{ "123".isdigit() }} {{ "12a".isdigit() }} {{ "abc".isalpha() }} {{ "a1".isalnum() }} {{ " ".isspace() }} {{ "ABC".isupper() }} {{ "abc".islower() }} {{ "Abc Def".istitle() }} {{ "".isalpha() }} {{ "1.5".isnumeric() }} {{ "½".isnumeric() }} {{ "½".isdigit() }} {{ "½".isdecimal() }} {{ "²".isdigit() }} {{ "²".isdecimal() }} {{ "abc".isascii() }} {{ "é".isascii() }} {{ "ab1".islower() }} {{ "12".isupper() }} {{ "a_b".isidentifier() }} {{ "1a".isidentifier() }} {{ "a b".isprintable() }} {{ "a\n".isprintable() }} {{ "abC d".istitle() }}
{{ "5".zfill(3) }} {{ "-5".zfill(4) }} {{ "+5".zfill(4) }} {{ "abc".zfill(2) }} {{ "a".center(5, "*") }} {{ "ab".center(5) }}| {{ "a".ljust(3) }}| {{ "a".rjust(3, ".") }} {{ "a\tb".expandtabs(4) }} {{ "ab\tc\n\td".expandtabs() }}
{{ "prefix_x".removeprefix("prefix_") }} {{ "x.txt".removesuffix(".txt") }} {{ "abc".removeprefix("z") }} {{ "aaa".removesuffix("a") }}
{{ "abc".nomethod() }}
{{ "abc".upper(1) }}
{{ d.get("a") }} {{ d.get("z") }} {{ d.get("z", 5) }} {{ d.keys() }} {{ d.values() }} {{ d.items() }} {{ d.keys() | list }} {{ d.values() | sum }} {{ d.items() | length }} {{ d.copy() }} {{ "a" in d.keys() }} {{ 2 in d.values() }} {{ ("a", 1) in d.items() }}
{{ d.get() }}
{{ d.update({"q": 1}) }}
{{ d.pop("a") }}
{{ list.append(4) }}
{{ list.sort() }}
{{ list.index(1) }} {{ list.count(1) }} {{ list.copy() }} {{ (1, 2, 1).count(1) }} {{ (1, 2).index(2) }}
{{ list.index(99) }}
{{ {"items": 1}["items"] }} {{ {"keys": 2}.keys() | list }} {{ {"get": 3}["get"] }}
{{ range(3) }} {{ range(1, 3) }} {{ range(5, 0, -2) | list }} {{ range(0) | list }} {{ range(3, 1) | list }} {{ range(-2, 2) | list }}
{{ range(1, 2, 0) }}
{{ range("a") }}
{{ range() }}
{{ range(1.5) }}
{{ dict(a=1) }} {{ dict({"x": 1}, y=2) }} {{ dict([["a", 1], ("b", 2)]) }} {{ dict() }} {{ dict(d) == d }} {{ dict(**d) }} {{ dict(**{"q": 1}, r=2) }}
{{ dict([1]) }}
{% set c = cycler("a", "b", "c") %}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}
{{ cycler() }}
{% set j = joiner() %}[{{ j() }}][{{ j() }}][{{ j() }}] {% set k = joiner("; ") %}{% for x in list %}{{ k() }}{{ x }}{% endfor %}
{{ raise_exception("boom") }}
{% if n == 7 %}{{ raise_exception("n is " ~ n) }}{% endif %}
{% if n == 8 %}{{ raise_exception("n is 8") }}{% endif %}ok
{% for x in list %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %} {% for x in list %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %} {% for x in list %}{% for y in list %}{% if y == 1 %}{% break %}{% endif %}{{ y }}{% endfor %}{% endfor %} {% for x in list %}{% break %}{% else %}e{% endfor %}
{% for x in list %}{% with %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endwith %}{% endfor %}
{% for x in range(3) %}{% set y %}{{ x }}{% endset %}{{ y }}{% endfor %} {% for x in range(3) %}{{ "," if not loop.first }}{{ x }}{% endfor %}
{% for m in messages if m.role != "system" %}{{ loop.index }}{{ m.role }}{% endfor %} {% for m in messages %}{{ m["role"] }}:{{ m["content"] | trim }}{{ "\n" if not loop.last else "" }}{% endfor %}
{% for m in messages %}{% if (m["role"] == "user") != (loop.index0 % 2 == 1) %}bad{% endif %}{% endfor %}ok {{ messages[0].role == "system" and messages | length > 1 }}
{% if messages[0]["role"] == "system" %}{% set system = messages[0]["content"] %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{{ system }}{{ rest | length }}
{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == "user" %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}{{ ns.last }} {% for m in messages[::-1] %}{% set i = (messages | length - 1) - loop.index0 %}{{ i }}{{ m.role }}{% endfor %}
{{ messages[2].tool_calls is none }} {{ messages[2].tool_calls is defined }} {{ messages[1].tool_calls is defined }} {{ "tool_calls" in messages[2] }} {{ messages[2].get("tool_calls") }} {{ messages | map(attribute="role") | list }}
{% for t in tools %}{{ t.function.name }}({% for k, v in t.function.parameters.properties.items() %}{{ k }}: {{ v.type }}{% if v.default is defined %} = {{ v.default }}{% endif %}{{ ", " if not loop.last }}{% endfor %}){% endfor %}
{{ {"a": 1}.items() | list }} {% for k, v in {"x": {"y": 1}}.items() %}{{ k }}{{ v.y }}{% endfor %} {{ ({"a": 1}.items() | first)[1] }} {{ d.values() | list | first }}
{{ docs | map(attribute="id") | map("upper") | join(", ") | replace("#", " ") | trim | length }} {{ (list | sort)[0] }} {{ list | sort | first }} {{ (list | max) - (list | min) }} {{ words.split() | map("length") | list }}
{{ [1, [2, [3, [4]]]] }} {{ {"a": {"b": {"c": [1, {"d": none}]}}} }} {{ [{"a": (1, 2.5, "x")}] }}
{{ big * 1000 }} {{ 9007199254740993 }} {{ 9007199254740993 + 0.0 }} {{ 2 ** 62 }} {{ -2 ** 62 }} {{ 12345678901234567 // 1000 }}
{{ uni | upper }} {{ uni | lower }} {{ uni | title }} {{ uni | length }} {{ uni | reverse }} {{ uni[:4] }} {{ "ǆ" | title }} {{ "ŉ" | upper }} {{ "İ" | lower | length }} {{ "ﬁ" | capitalize }}
{{ "日本" ~ "語" }} {{ "日本語"[1] }} {{ "日本語" | list }} {{ "日本語" | center(7) }}| {{ "😀" | length }} {{ ["日本", "😀", "é"] }}
{{ "a" | attr("upper") is callable }} {{ d | attr("a") is defined }} {{ "abc" | attr("zz") is defined }}
{{ ("a", "b") | map("upper") | list }} {{ "a-b_c" | replace("-", "_") | upper | list | join("|") | length }} {{ "x" | default("y") | upper }}
{{ -5 | abs }} {{ (-5) | abs }} {{ 5 | string | length }} {{ 3 | float | string }} {{ "3" | int * 2 }} {{ "a" | upper ~ "b" | upper }} {{ 1 + 2 | string | length }} {{ n | string == "7" }}
{{ f | int }} {{ f | round }} {{ f * 2 }} {{ f // 1 }} {{ neg % 3 }} {{ neg // 2 }} {{ -neg }} {{ neg | abs }} {{ f | string }} {{ f ~ "" }}
{{ [nothing, yes, no, f, n, question] }} {{ [nothing, yes, no, f] | join("|") }} {{ [nothing] | tojson }} {{ nothing ~ "" }} {{ nothing }}
{{ namespace(a=1).a }} {{ namespace().zz is defined }} {{ (namespace(a=[1, 2]).a)[1] }}
{{ caller }}
{{ varargs }}
{{ loop }}
{{ loop is defined }}
{% for x in list %}{{ loop.nope }}{% endfor %}
{% for x in list %}{% endfor %}{{ loop is defined }}
{% for loop in list %}{% endfor %}
{{ x if x is defined else "none" }} {{ (x | default({})).get("a", 1) }} {{ (x | default([])) | length }} {{ x is defined and x }}
{%- set opts = {"a": 1, "b": [1, 2]} -%}{{ opts.b | last }}{{ opts["a"] }}{{ opts | length }}{{ opts.get("c", {}).get("d", "e") }}
{{ strftime_now("%d %b %Y") }}
{{ strftime_now("%Y-%m-%d %H:%M:%S %A %B %a %j %y %I %p %% %m/%d %-d") }}
{% generation %}a{{ n }}{% endgeneration %}b
{{ 'a' in 'abc' if 'abc' else 'z' }} {{ 1 if 'a' == 'a' and 'b' != 'c' else 2 }} {{ (1, 2) == (1, 2) }} {{ [1, 2][1 if true else 0] }} {{ {"a": 1}["a" if yes else "b"] }}
{{ list | map("string") | map("upper") | select("ne", "3") | join }} {{ rows | map(attribute="v") | select("odd") | sum }} {{ rows | map(attribute="v") | map("float") | list }} {{ (rows | map(attribute="v") | list)[1:] }}
{{ "a.b.c".split(".")[-1].upper()[0] }} {{ " x ".strip().upper().center(5, "-") }} {{ [1, 2, 3][1:][0] }} {{ "abc"[1:].upper() }} {{ ("a" ~ "b").upper() }} {{ "%s" | format("x") | upper }} {{ ["a"][0].upper() }}
{{ {"a": none}.a is none }} {{ {"a": none}.b is defined }} {{ [none][0] is none }} {{ none is defined }} {{ nothing is none }} {{ nothing is defined }}
{{ 3 is gt 2 and 2 is lt 3 }} {{ 3 > 2 and not 2 > 3 }} {{ (3 > 2) == true }} {{ [3 > 2, 2 > 3] }} {{ 1 < 2 and 2 < 3 or false }} {{ "x" if 1 > 2 else "y" if 2 > 3 else "z" }}
"""

# Snippets that hold line ends.
MORE = [
    "a\n{% if true %}\nb\n{% endif %}\nc\n", "a\n  {% if true %}\n  b\n  {% endif %}\nc", "  {% set x = 1 %}\n{{ x }}\n", "  {{ n }}\n  {# c #}\nb\n",
    "{% for x in list %}\n- {{ x }}\n{% endfor %}\nend\n", "{% for x in list -%}\n  {{ x }}\n{%- endfor %}\n", "x {%+ if true %}y{% endif +%}\nz\n",
    "    {%+ if true +%}\n  y\n    {%- endif -%}\n\n z\n", "\t{% if true %}\n\tt\n\t{% endif %}\n", "a{% if true %} b {% endif %}\n\nc", "{{ n }}\n\n", "\n\n{{ n }}\n", "a\n\n\n",
    "  {%- if true %}\n x\n  {%- else %}\n y\n  {%- endif %}\n", "{# a\nb #}\nc\n", "a\n{# c #}  \nb\n", "{% raw %}\n{{ x }}\n{% endraw %}\nb\n", "  {% raw %} {{ {% endraw %} \n",
    "{% macro m(a) %}\n  <{{ a }}>\n{% endmacro %}\n{{ m(1) }}{{ m(2) }}\n", "{% set x %}\n  body\n{% endset %}[{{ x }}]\n", "{% filter upper %}\n a\n{% endfilter %}\nb",
    "{% call m() %}\nx\n{% endcall %}\n", "a\r\nb{{ n }}\r\n{% if true %}\r\nc\r\n{% endif %}\r\n", "{{ 'a\nb' }}{{ 'a\\nb' }}\n", "{{\nn\n|\nstring\n}}\n", "{% if true\n%}a{%\nendif %}b\n",
    "  a  {% if true %}  b  {% endif %}  c  \n", "{% for x in [1,2] %}\n    {% for y in [3] %}\n{{ x }}{{ y }}\n    {% endfor %}\n{% endfor %}\n", "{%- for x in list -%}\n{{ x }}\n{%- endfor -%}\nz",
    "\u00a0{% if true %}x{% endif %}\u00a0", "\u00a0 {%- if true -%} \u3000x{% endif %}", "{{- n }}", "{{ n -}}  \n ", "{{ n -}}", " {{- n -}} ", "a {#- b -#} c\n", "{% if true -%}\n\n\n a\n{%- endif %}",
    "{% set a = [\n  1,\n  2\n] %}{{ a }}", "{{ {\n 'a': 1,\n 'b': 2\n} }}", "{% if n == 7 and\n      f == 2.5 %}y{% endif %}", "{% filter indent(4) %}\na\nb\n{% endfilter %}", "{{ lines | indent(2) }}{{ lines | trim }}",
    "{%- macro t(x, d=0) -%}\n  {{- \"  \" * d }}{{ x.name }}\n  {%- for k in x.kids %}\n{{ t(k, d + 1) }}\n  {%- endfor -%}\n{%- endmacro -%}\n{%- for x in tree %}\n{{ t(x) }}\n{%- endfor %}",
    "{%if true%}a{%endif%}{{n}}{#c#}{%for x in list%}{{x}}{%endfor%}", "{% if true %}{% endif %}\n{% if true %}\n{% endif %}\nx", "}} %} #} { % {", "{{ '{{' }}{{ '%}' }}{{ \"#}\" }}", "{% raw %}{% endraw %}", "{{ n }}}", "{{{ 'a': 1 }}}", "{ {{ n }} }",
    "line\n{%- if true %}\n  x\n{%- endif %}\nend", "  {{ n }}  {% set q = 1 %}  \n  z", "{% set q = 1 %} \nz", "{% set q = 1 %}\n\nz", "{# c #}\n\nz", "x\n  {#- c #}\nz", "{% if true %}\r\nx\r{% endif %}\ry",
]

# Where the strict mode is stricter on purpose: an undefined item of a list is an error when the list is printed, and a
# function that nothing defines is one before the rendering.
STRICTER = {"{{ [nope] }}", '{{ rows | map(attribute="zz") | list }}', '{% if n == 8 %}{{ raise_exception("n is 8") }}{% endif %}ok'}


def environments():
    def raise_exception(message):
        raise jinja2.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    class Generation(jinja2.ext.Extension):
        tags = {"generation"}

        def parse(self, parser):
            lineno = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.Scope(body, lineno=lineno)

    strict = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, extensions=[jinja2.ext.loopcontrols])
    compatible = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation])
    compatible.filters["tojson"] = tojson
    compatible.globals["raise_exception"] = raise_exception
    return {"strict": strict, "compatible": compatible}


def variables(scope, mode):
    """strftime_now of the scope is a point in time; the template calls it with a format."""
    values = copy.deepcopy(scope)
    text = values.get("strftime_now")
    if mode == "compatible" and text is not None:
        values["strftime_now"] = clock(text)
    return values


def result(environment, mode, source, scope):
    try:
        template = environment.from_string(source)
    except (jinja2.TemplateSyntaxError, SyntaxError):
        return {"error": "syntax"}
    try:
        return {"text": template.render(**variables(scope, mode))}
    except Exception:
        return {"error": "render"}


def snippets():
    made = environments()
    rows = [{"scope": SCOPE}]
    for source in [*LINES.strip("\n").split("\n"), *MORE]:
        row = {"template": source}
        for mode, environment in made.items():
            row[mode] = result(environment, mode, source, SCOPE)
        if source in STRICTER:
            assert "text" in row["strict"], source
            row["strict"] = {"error": "render"}
        rows.append(row)
    assert len({row["template"] for row in rows[1:]}) == len(rows) - 1
    write(HERE / "jinja_snippets.jsonl", rows)


def own_chats():
    environment = environments()["compatible"]
    rows = []
    for path in sorted((HERE / "chat").glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        for name, talk in TALKS.items():
            scope = {"bos_token": "<s>", "eos_token": "</s>", **talk}
            rows.append({"file": path.name, "talk": name, "scope": scope, **result(environment, "compatible", source, scope)})
    write(HERE / "chat_own_golden.jsonl", rows)
    print("renders", sum("text" in row for row in rows), "fails", sum("error" in row for row in rows))


if __name__ == "__main__":
    snippets()
    own_chats()
