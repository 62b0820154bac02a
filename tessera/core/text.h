#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// Edits (insert, delete, replace, swap of neighbours) between two words.
size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, or "" where none is near enough to be a likely typo.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// " Did you mean "x"?"-style hint for the nearest candidate, else a list of the candidates.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

/// Shell wildcards: `*` any run, `?` any one character.
bool glob_match(std::string_view pattern, std::string_view name);

/// Of entries named "system/entry": a pattern without a slash matches all of the systems it names.
bool entry_match(std::string_view pattern, std::string_view name);

std::string join(std::span<const std::string> parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);

/// Shortest text that reads back as the same double: "0.0005", "1e-12".
std::string shortest(double value);

}  // namespace tessera
