#include "tessera/data/mnist.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/core/paths.h"
#include "tessera/io/tensor_file.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kClasses = 10;
constexpr const char* kDebianFashion = "/usr/share/datasets/fashion-mnist";

/// The file `name` in `folder` in whatever packing it has; empty where there is none.
std::string find_packed(const fs::path& folder, const std::string& name) {
  for (const char* packing : {"", ".gz", ".bz2"}) {
    const fs::path path = folder / (name + packing);
    if (fs::exists(path)) return path.string();
  }
  return {};
}

std::string need_packed(const fs::path& folder, const std::string& name) {
  std::string path = find_packed(folder, name);
  if (path.empty()) {
    fail<Io>({.where = "mnist",
              .rule = "the images' files must lie in " + folder.string(),
              .got = "no " + name + ", .gz or .bz2",
              .next = "`tessera data get mnist` (or fashion_mnist) fetches them.",
              .id = "T-MNIST-01"});
  }
  return path;
}

LabelledImages read_set(const fs::path& folder, const std::string& split) {
  const std::string image_path = need_packed(folder, split + "-images-idx3-ubyte");
  const std::string label_path = need_packed(folder, split + "-labels-idx1-ubyte");
  const at::Tensor images = io::read_idx(image_path), labels = io::read_idx(label_path);
  if (images.dim() != 3 || images.scalar_type() != at::kByte || images.numel() == 0) {
    fail<BadFile>(
        {.where = "mnist",
         .rule = image_path + " must hold bytes of shape (images, rows, columns)",
         .got = std::to_string(images.dim()) + " axes of " + toString(images.scalar_type()),
         .id = "T-MNIST-02"});
  }
  if (labels.dim() != 1 || labels.scalar_type() != at::kByte || labels.size(0) != images.size(0)) {
    fail<BadFile>({.where = "mnist",
                   .rule = label_path + " must hold one byte for each of " +
                           std::to_string(images.size(0)) + " images",
                   .got = std::to_string(labels.numel()) + " of " + toString(labels.scalar_type()),
                   .next = "The two files do not belong together.",
                   .id = "T-MNIST-03"});
  }
  if (const int64_t largest = labels.max().item<int64_t>(); largest >= kClasses) {
    fail<BadFile>({.where = "mnist",
                   .rule = label_path + " must hold classes 0..9",
                   .got = std::to_string(largest),
                   .id = "T-MNIST-04"});
  }
  return {.images = images.unsqueeze(1), .labels = labels.to(at::kLong), .num_classes = kClasses};
}

/// The files of MNIST's layout below `folder`, from `url`.
struct Known {
  const char* name;
  const char* sha256;
  int64_t bytes;
  const char* content_sha256;
};

std::vector<RemoteFile> remote_files(const std::string& folder, const std::string& url,
                                     const std::vector<Known>& known) {
  std::vector<RemoteFile> files;
  for (const Known& file : known) {
    files.push_back({.path = folder + "/" + file.name,
                     .url = url + file.name,
                     .sha256 = file.sha256,
                     .bytes = file.bytes,
                     .content_sha256 = file.content_sha256});
  }
  return files;
}

}  // namespace

LabelledImages read_mnist_split(const std::string& folder, bool is_train) {
  return read_set(folder, is_train ? "train" : "t10k");
}

ImageData read_mnist_folder(const std::string& folder) {
  ImageData data{.train = read_mnist_split(folder, true), .test = read_mnist_split(folder, false)};
  for (int64_t c = 0; c < kClasses; ++c) data.class_names.push_back(std::to_string(c));
  return data;
}

std::string mnist_folder(const std::string& data_root) {
  return (fs::path(data_root) / "mnist").string();
}

std::string fashion_mnist_folder(const std::string& data_root) {
  const fs::path own = fs::path(data_root) / "fashion-mnist";
  return !fs::exists(own) && fs::exists(kDebianFashion) ? kDebianFashion : own.string();
}

ImageData load_mnist(const std::string& data_root) {
  return read_mnist_folder(mnist_folder(data_root));
}

ImageData load_fashion_mnist(const std::string& data_root) {
  ImageData data = read_mnist_folder(fashion_mnist_folder(data_root));
  data.class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                      "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  return data;
}

ImageData load_mnist_subset() { return read_mnist_folder(resource_path("share/mnist")); }

DataSource mnist_source() {
  return {.name = "mnist",
          .summary = "60,000 + 10,000 images of handwritten digits, 28 × 28 grey levels",
          .licence = "CC BY-SA 3.0 (Y. LeCun, C. Cortes, C. J. C. Burges)",
          .files = remote_files(
              "mnist", "https://storage.googleapis.com/cvdf-datasets/mnist/",
              {{"train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
               {"train-labels-idx1-ubyte.gz",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
               {"t10k-images-idx3-ubyte.gz",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
               {"t10k-labels-idx1-ubyte.gz",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}})};
}

DataSource fashion_mnist_source() {
  return {.name = "fashion_mnist",
          .summary = "60,000 + 10,000 images of clothes, 28 × 28 grey levels",
          .licence = "MIT (Zalando SE)",
          .files = remote_files(
              "fashion-mnist", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
              {{"train-images-idx3-ubyte.gz",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26421880,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
               {"train-labels-idx1-ubyte.gz",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29515,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
               {"t10k-images-idx3-ubyte.gz",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4422102,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
               {"t10k-labels-idx1-ubyte.gz",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5148,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"}})};
}

}  // namespace tessera::data
