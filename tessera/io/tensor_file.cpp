#include "tessera/io/tensor_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

#include "tessera/core/error.h"
#include "tessera/io/bzip2.h"
#include "tessera/io/element_type.h"
#include "tessera/io/file.h"
#include "tessera/io/gzip.h"
#include "tessera/io/idx.h"
#include "tessera/io/npy.h"
#include "tessera/io/origin.h"
#include "tessera/io/safetensors.h"
#include "tessera/io/zip.h"

namespace tessera::io {
namespace {

/// Uncompressed contents of an npz or gzipped IDX file: above any data set that fits our machines,
/// far below what a small hostile file could unfold to.
constexpr uint64_t kUnpackedLimit = uint64_t{16} << 30;

constexpr std::pair<ElementType, at::ScalarType> kScalarTypes[] = {
    {ElementType::kBool, at::kBool},     {ElementType::kU8, at::kByte},
    {ElementType::kI8, at::kChar},       {ElementType::kU16, at::kUInt16},
    {ElementType::kI16, at::kShort},     {ElementType::kF16, at::kHalf},
    {ElementType::kBF16, at::kBFloat16}, {ElementType::kU32, at::kUInt32},
    {ElementType::kI32, at::kInt},       {ElementType::kF32, at::kFloat},
    {ElementType::kU64, at::kUInt64},    {ElementType::kI64, at::kLong},
    {ElementType::kF64, at::kDouble}};

at::ScalarType scalar_type_of(ElementType type) {
  for (const auto& [element, scalar] : kScalarTypes) {
    if (element == type) return scalar;
  }
  return at::kDouble;
}

std::optional<ElementType> element_type_of(at::ScalarType type) {
  for (const auto& [element, scalar] : kScalarTypes) {
    if (scalar == type) return element;
  }
  return std::nullopt;
}

/// A bool of another value than 0 or 1 is undefined behaviour in whoever reads it.
void check_bools(std::span<const std::byte> bytes, ElementType type, const Origin& origin,
                 std::string_view name) {
  if (type != ElementType::kBool) return;
  const auto bad = std::find_if(bytes.begin(), bytes.end(),
                                [](std::byte value) { return value > std::byte{1}; });
  if (bad == bytes.end()) return;
  origin.bad("T-TF-01", "tensor " + shown(name) + " must hold only 0 and 1, being bool",
             std::to_string(std::to_integer<int>(*bad)));
}

at::Tensor copy_of(std::span<const std::byte> bytes, at::IntArrayRef shape, ElementType type) {
  at::Tensor tensor = at::empty(shape, scalar_type_of(type));
  if (!bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

/// A tensor over bytes that `owner` keeps alive, or a copy where they are misaligned for the type.
template <class Owner>
at::Tensor view_of(std::span<const std::byte> bytes, at::IntArrayRef shape, ElementType type,
                   std::shared_ptr<Owner> owner) {
  const bool is_aligned = reinterpret_cast<uintptr_t>(bytes.data()) % width_of(type) == 0;
  if (bytes.empty() || !is_aligned) return copy_of(bytes, shape, type);
  return at::from_blob(
      const_cast<std::byte*>(bytes.data()), shape, [owner = std::move(owner)](void*) {},
      scalar_type_of(type));
}

at::Tensor npy_tensor(const NpyArray& array, const Origin& origin, std::string_view name) {
  check_bools(array.data, array.type, origin, name);
  if (!array.is_fortran_order) return copy_of(array.data, array.shape, array.type);
  const std::vector<int64_t> reversed(array.shape.rbegin(), array.shape.rend());
  std::vector<int64_t> axes(array.shape.size());
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(axes.size() - 1 - i);
  return copy_of(array.data, reversed, array.type).permute(axes).contiguous();
}

/// The tensor as it will be written: on the CPU, contiguous, without lazy negation or conjugation.
at::Tensor plain(const std::string& name, const at::Tensor& tensor) {
  const bool is_strided = tensor.defined() && tensor.layout() == at::kStrided;
  if (!is_strided || !element_type_of(tensor.scalar_type())) {
    fail<InvalidArgument>(
        {.where = "safetensors",
         .rule = "a tensor to be written must be dense and of a bool, integer or float type",
         .got = shown(name) + (is_strided ? std::string(" of ") + at::toString(tensor.scalar_type())
                               : tensor.defined() ? " with another layout"
                                                  : " undefined"),
         .id = "T-TF-02"});
  }
  return tensor.detach().resolve_neg().to(at::kCPU).contiguous();
}

}  // namespace

const std::string* TensorFile::find_metadata(std::string_view name) const {
  for (const auto& [key, value] : metadata) {
    if (key == name) return &value;
  }
  return nullptr;
}

TensorFile read_tensor_file(const std::string& path, Storage storage) {
  const auto file = std::make_shared<MappedFile>(path);
  SafetensorsHeader header = parse_safetensors(file->bytes(), path);
  TensorFile result;
  result.metadata = std::move(header.metadata);
  for (SafetensorsEntry& entry : header.entries) {
    const auto bytes = header.data.subspan(entry.begin, entry.end - entry.begin);
    check_bools(bytes, entry.type, {"safetensors", path}, entry.name);
    result.tensors.set(std::move(entry.name), storage == Storage::kMapped
                                                  ? view_of(bytes, entry.shape, entry.type, file)
                                                  : copy_of(bytes, entry.shape, entry.type));
  }
  return result;
}

void write_tensor_file(const std::string& path, const TensorMap& tensors,
                       const Metadata& metadata) {
  std::vector<at::Tensor> kept;  // the records below view these
  std::vector<SafetensorsTensor> records;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& plain_tensor = kept.emplace_back(plain(name, tensor));
    records.push_back({.name = name,
                       .type = *element_type_of(plain_tensor.scalar_type()),
                       .shape = plain_tensor.sizes().vec(),
                       .data = {static_cast<const std::byte*>(plain_tensor.const_data_ptr()),
                                plain_tensor.nbytes()}});
  }
  write_safetensors(path, std::move(records), metadata);
}

at::Tensor read_npy(const std::string& path) {
  const MappedFile file(path);
  return npy_tensor(parse_npy(file.bytes(), path), {"npy", path}, "array");
}

TensorMap read_npz(const std::string& path) {
  constexpr std::string_view kSuffix = ".npy";
  const Origin origin{"npz", path};
  const MappedFile file(path);
  TensorMap tensors;
  for (const ZipEntry& entry : read_zip_directory(file.bytes(), kUnpackedLimit, path)) {
    if (!entry.name.ends_with(kSuffix)) {
      origin.bad("T-TF-03", "the archive must hold .npy files only", shown(entry.name));
    }
    const std::string name = entry.name.substr(0, entry.name.size() - kSuffix.size());
    const std::vector<std::byte> bytes = read_zip_entry(entry, path);
    tensors.set(name, npy_tensor(parse_npy(bytes, path + "/" + entry.name), origin, name));
  }
  return tensors;
}

at::Tensor read_idx(const std::string& path) {
  const MappedFile file(path);
  std::vector<std::byte> unpacked;
  std::span<const std::byte> bytes = file.bytes();
  if (is_gzip(bytes)) {
    unpacked = gunzip(bytes, kUnpackedLimit, path);
    bytes = unpacked;
  } else if (is_bzip2(bytes)) {
    unpacked = bunzip2(bytes, kUnpackedLimit, path);
    bytes = unpacked;
  }
  const IdxArray array = parse_idx(bytes, path);
  if (width_of(array.type) == 1) return copy_of(array.data, array.shape, array.type);
  return copy_of(little_endian_bytes(array), array.shape, array.type);
}

}  // namespace tessera::io
