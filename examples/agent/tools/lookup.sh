#!/bin/sh
# Reads {"arguments": {"order": "A-17"}} as one line and prints {"result": ...} as one line.
read -r line
order=$(printf '%s' "$line" | sed -n 's/.*"order": *"\([^"]*\)".*/\1/p')
case $order in
  A-17) echo '{"result": {"order": "A-17", "state": "sent", "day": "Monday"}}' ;;
  A-18) echo '{"result": {"order": "A-18", "state": "waiting for payment"}}' ;;
  B-02) echo '{"result": {"order": "B-02", "state": "delivered", "day": "Friday"}}' ;;
  *) printf '{"error": {"message": "there is no order %s"}}\n' "$order" ;;
esac
