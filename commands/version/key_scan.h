// Keys do not belong into versions: they are kept for good and may be pushed.
#pragma once

#include "commands/session.h"

namespace llmops {

// Looks through everything that a version of the chain would keep: the chain file's own text and what --set made of it, every
// file of text and of data. kConfig, with file, line and column, at the first value of a variable that the chain names as a
// secret, and at the first text of the shape of a well-known key. Streams: memory about 1 MiB.
Status check_for_keys(const Session& session, const Chain& chain);

}  // namespace llmops
