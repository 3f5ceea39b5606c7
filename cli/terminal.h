// The only place that knows a terminal exists: its width, whether colour is wanted, and how bytes leave the program.
#pragma once

#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace llmops {

enum class Tone { kPlain, kGood, kBad, kUndecided, kMuted, kStrong };

class Terminal {
 public:
  // Reads the variables NO_COLOR, CLICOLOR_FORCE, TERM, COLUMNS, LC_ALL, LC_CTYPE, LANG and the file descriptors 1 and 2.
  explicit Terminal(const std::map<std::string, std::string>& variables);

  void set_color(std::string_view mode);   // auto, always, never
  bool out_is_terminal() const { return out_is_terminal_; }
  bool err_is_terminal() const { return err_is_terminal_; }
  bool in_is_terminal() const { return in_is_terminal_; }
  bool unicode() const { return unicode_; }
  // Columns that a table may take; without a terminal and without COLUMNS there is no limit (kUnlimited).
  int width() const { return width_; }
  static constexpr int kUnlimited = 10'000;
  std::string paint(std::string_view text, Tone tone) const;
  std::string paint_err(std::string_view text, Tone tone) const;
  // "├─" or "|-" as the locale allows.
  std::string_view glyph(std::string_view unicode, std::string_view ascii) const { return unicode_ ? unicode : ascii; }

  void set_quiet(bool quiet) { quiet_ = quiet; }
  bool quiet() const { return quiet_; }
  void err(std::string_view line) const;   // a line to stderr; dropped by -q
  // The report, whole. Through a pager on a terminal when it is longer than the screen and `may_page`. False: it could not be written.
  bool out(std::string_view text, bool may_page = false) const;

 private:
  std::map<std::string, std::string> variables_;
  bool out_is_terminal_, err_is_terminal_, in_is_terminal_;
  bool color_out_ = false, color_err_ = false, unicode_ = false, quiet_ = false;
  int width_ = kUnlimited, height_ = 0;
};

// error: message / --> place / snippet with a caret / details / hint.
std::string render_error(const Error& error, const Terminal& terminal);
std::string render_error_json(const Error& error);
int exit_code_of(const Error& error);

}  // namespace llmops
