#include "tessera/core/error.h"

namespace tessera {

std::string format(const Complaint& complaint) {
  std::string text;
  if (!complaint.where.empty()) text.append("[").append(complaint.where).append("] ");
  text.append(complaint.rule);
  if (!complaint.got.empty()) text.append(", but got ").append(complaint.got);
  text.append(".");
  if (!complaint.next.empty()) text.append(" ").append(complaint.next);
  if (!complaint.id.empty()) text.append("  (").append(complaint.id).append(")");
  return text;
}

}  // namespace tessera
