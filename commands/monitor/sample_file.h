// A sample of vectors, numbers, categories or texts out of a file.
#pragma once

#include <string>

#include "commands/session.h"
#include "core/drift/detectors.h"

namespace llmops {

struct SampleColumns { std::string field, context; };

// .npy: one dimension is numbers, two are vectors. .txt: a text per line that is not blank. Rows (.jsonl, .json, .csv, .tsv, also packed): the named column; else the only column; else input, text, prompt or question; else all
// columns, when every one is numeric, as vectors. A column that reads as numbers throughout is numbers, else texts. A field that is an array of numbers is a vector.
// Errors: kNotFound, kIo; kData: unknown column (with did you mean), a row without it, NaN or infinity (with row and column), vectors of several lengths, no rows.
Result<Sample> read_sample(const fs::path& path, const std::string& shown_name, const SampleColumns& columns);

// Numbers as the texts that they were.
void as_texts(Sample& sample);

}  // namespace llmops
