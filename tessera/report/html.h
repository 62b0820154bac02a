#pragma once

#include <string>
#include <string_view>

#include "tessera/core/json.h"
#include "tessera/systems/claim.h"

namespace tessera::report {

/// Text made safe for HTML content and quoted attributes.
std::string escape(std::string_view text);

/// JSON made safe inside a <script> element: no "<" can end it.
std::string script_json(const Json& value);

/// A <figure>: its picture, its title and caption, and its data for the plotting library.
std::string figure_html(const Figure& figure);

/// What results were made on and with: versions, processor, instruction set, threads.
Json environment();
/// A definition list of an object; its keys are the names ("instruction_set").
std::string environment_html(const Json& environment);

/// Whether a page carries the plotting library (1.8 MB), or its drawings alone.
enum class Figures { kInteractive, kDrawn };

/// A whole document around `body`. Everything it needs lies within it: style sheet, script, the
/// plotting library with its licence where the build has it; its content policy forbids requests.
std::string page_html(std::string_view title, std::string_view body,
                      Figures figures = Figures::kInteractive);

}  // namespace tessera::report
