#!/bin/sh
# Requests of a support assistant in October 2026, one JSON line each. All of it is generated, here, by a fixed seed: no shop, no customer and no model stands behind it.
#
#   the 12th    a release: prompt v2 answers at greater length, and takes longer for it
#   the 18th    an incident from 13:00 to 16:00: the model's provider fails a third of the calls, and the rest are slow
#   the 15th on a slow rise: refusals go from 1 % to about 6 % by the end of the month
#   the 24th on a new intent: customers ask about charges that their bank took back
exec awk '
function draw() { seed = (seed * 16807) % 2147483647; return seed / 2147483647 }
function below(n) { return int(draw() * n) }
function one_of(list,   parts, n) { n = split(list, parts, "|"); return parts[below(n) + 1] }
function order() { return "order " (10000 + below(89999)) }
function question(kind,   text) {
  if (kind == 1) text = one_of("where is my " one_of(goods) "|has my " one_of(goods) " been sent yet|when will " order() " arrive|track " order() " please|my parcel with the " one_of(goods) " is late|which carrier brings my " one_of(goods))
  else if (kind == 2) text = one_of("how do I return a " one_of(goods) "|I want to send the " one_of(goods) " back|can I return " order() " after 30 days|who pays the postage of a return|is a return of a used " one_of(goods) " possible")
  else if (kind == 3) text = one_of("the " one_of(goods) " came broken|my " one_of(goods) " does not switch on|there is a crack in the " one_of(goods) "|a part of the " one_of(goods) " is missing|the " one_of(goods) " makes a strange noise")
  else if (kind == 4) text = one_of("send me the invoice of " order() "|I need a bill with my company name|the invoice shows a wrong address|can I pay " order() " by bank transfer|why was I billed twice for the " one_of(goods))
  else if (kind == 5) text = one_of("I cannot log in|reset my password please|change the address of my account|delete my account|my confirmation mail never came|how do I change my email")
  else if (kind == 6) text = one_of("is the " one_of(goods) " in stock|when is the " one_of(goods) " back in stock|does the " one_of(goods) " come in " one_of("blue|black|white|green") "|which " one_of(goods) " fits a small kitchen|how loud is the " one_of(goods))
  else if (kind == 7) text = one_of("my coupon does not work|can I use two coupons|where do I enter the discount code|is there a discount for students|the coupon " (100 + below(900)) " has expired")
  else if (kind == 8) text = one_of("cancel " order() "|please cancel the " one_of(goods) " before it ships|I ordered the " one_of(goods) " twice, cancel one|change " order() " to a " one_of(goods))
  else text = one_of("my bank reversed the charge for the " one_of(goods) ", can you ship again|I filed a chargeback, what happens to " order() "|the chargeback was a mistake, how do I pay now|why does my bank dispute the payment of " order() "|after the chargeback my account is blocked, please open it|the card issuer took back the money for the " one_of(goods))
  return one_of("|hello, |hi, |") text one_of("|?|?|, thanks")
}
function answer(kind, version,   text) {
  text = "About your question: " one_of("we looked it up and it is on its way|here is what to do next|this is possible within 30 days|you find it in your account|we have sent it to you by mail") "."
  if (version == 2) text = text " Step by step: open your account, choose the order, follow the page to its end, and write to us again whenever anything on the way is not as it should be."
  return text
}
BEGIN {
  seed = 20261001
  goods = "kettle|toaster|mixer|lamp|vacuum cleaner|coffee machine|fan|heater|iron|blender|clock|radio"
  split("orders orders orders billing account shop shop orders billing", routes, " ")
  split("24 14 12 10 12 14 6 8", weights, " ")
  id = 0
  for (day = 1; day <= 30; day++) {
    weekday = (day + 3) % 7                      # 2026-10-01 is a Thursday
    for (hour = 0; hour < 24; hour++) {
      n = hour < 7 ? below(3) : hour < 9 ? 4 + below(3) : hour < 21 ? 9 + below(5) : 4 + below(3)
      if (weekday == 6 || weekday == 0) n = int(n * 0.7)
      minute = 0
      for (i = 0; i < n; i++) {
        id++
        minute = int((i + draw()) * 60 / n)
        if (draw() < 0.75 || session == 0) session = id
        share_new = day >= 24 ? 0.03 + 0.01 * (day - 23) : 0
        if (draw() < share_new) kind = 9
        else { at = below(100); for (kind = 1; kind < 8 && at >= weights[kind]; kind++) at -= weights[kind] }
        version = day >= 12 ? 2 : 1
        incident = day == 18 && hour >= 13 && hour < 16
        latency = 500 + 900 * draw() * draw() + 2500 * (draw() < 0.03) + (version == 2 ? 350 : 0)
        failed = draw() < (incident ? 0.35 : 0.008)
        if (incident) latency *= 4
        refuses = draw() < (day < 15 ? 0.01 : 0.01 + 0.0033 * (day - 14))
        text = question(kind)
        reply = refuses ? "I am sorry, but I cannot help with that." : answer(kind, version)
        printf "{\"id\": \"m%05d\", \"ts\": \"2026-10-%02dT%02d:%02d:%02dZ\", \"session\": \"s%05d\", \"route\": \"%s\", \"model\": \"support-small\", \"prompt_version\": \"v%d\", \"input\": \"%s\", ", id, day, hour, minute, below(60), session, routes[kind], version, text
        if (failed) printf "\"error\": \"provider_unavailable\", \"latency_ms\": %d}\n", latency * 3
        else {
          printf "\"output\": \"%s\", \"latency_ms\": %d, \"input_tokens\": %d, \"output_tokens\": %d, \"cost\": %.6f", reply, latency, 180 + int(length(text) / 4), int(length(reply) / 4) + 1, (180 + length(text) / 4) * 0.15e-6 + length(reply) / 4 * 0.6e-6
          if (draw() < 0.15) printf ", \"scores\": {\"thumbs_up\": %d}", draw() < (refuses ? 0.1 : kind == 9 ? 0.4 : 0.85)
          printf "}\n"
        }
      }
    }
  }
}'
