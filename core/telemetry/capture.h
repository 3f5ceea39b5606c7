// What traces keep of prompts and outputs.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/secret.h"
#include "core/store/records.h"
#include "core/telemetry/trace.h"

namespace llmops {

enum class Capture {
  kFull,      // bodies whole; secrets are scrubbed in every level
  kRedacted,  // e-mail addresses, telephone, card, IBAN and IP numbers replaced by their kind; no log probabilities
  kHash,      // bodies replaced by {"sha256", "bytes"}: equal bodies can be told, nothing can be read; of errors only the code
};
// Errors (kConfig): unknown, with did you mean.
Result<Capture> parse_capture(std::string_view name);

// Applies the level and the scrubber to every body of the record before it is stored. Anything but kFull takes the memo
// keys away: what is not kept cannot be reused.
void apply_capture(CaseRecord& record, Capture capture, const SecretScrubber& scrubber);

// The same for a span of production: texts, messages, calls and attributes; the user's identifier is kept as a digest below kFull.
void apply_capture(TraceSpan& span, Capture capture, const SecretScrubber& scrubber);

// `text` with personal data replaced by "[email]", "[phone]", "[card]", "[iban]", "[ip]".
std::string redact_personal_data(std::string_view text);

}  // namespace llmops
