// Shared memory with who wrote and read what, global memory with who owns what, and the compiler's calls for plain accesses to both.
#include "state.h"

#include <cstring>
#include <sys/mman.h>

namespace emulated {

namespace {

struct Read {
    unsigned reader;
    Clock clock;
};

// The reads of a location by several.
std::vector<std::vector<Read>> reader_lists(1);
std::vector<std::uint32_t> free_lists;

std::uint32_t new_list()
{
    if (free_lists.empty()) {
        reader_lists.emplace_back();
        return static_cast<std::uint32_t>(reader_lists.size() - 1);
    }
    const std::uint32_t list = free_lists.back();
    free_lists.pop_back();
    reader_lists[list].clear();
    return list;
}

/// A read takes the place of the reader's last one, or of one that is known to be over.
void add_reader(std::vector<Read>& list, const Read& read)
{
    const std::vector<Clock>& seen = self().times.seen;
    for (Read& other : list) {
        if (other.reader == read.reader || seen[other.reader] >= other.clock) {
            other = read;
            return;
        }
    }
    list.push_back(read);
}

/// Whether the thread that runs may rely on the write; `asynchronous`: by the copy engine or the tensor cores.
bool sees_write(const Granule& g, bool asynchronous)
{
    return g.writer == kNobody || (asynchronous && g.writer < fibers.size() ? self().times.fenced : self().times.seen)[g.writer] >= g.write;
}

bool sees_reads(const Granule& g, unsigned& missed)
{
    if (g.readers != 0) {
        for (const Read& read : reader_lists[g.readers]) {
            if (read.clock > self().times.seen[read.reader]) {
                missed = read.reader;
                return false;
            }
        }
        return true;
    }
    missed = g.reader;
    return g.reader == kNobody || self().times.seen[g.reader] >= g.read;
}

void unseen_write(const Granule& g, unsigned rank, unsigned address, unsigned doer, const char* what, bool asynchronous)
{
    const bool only_fence = self().times.seen[g.writer] >= g.write;
    wrong("%s %ss shared byte %u%s that %s wrote: %s", name_of(doer).c_str(), what, address, rank == cluster_rank ? "" : " of another block", name_of(g.writer).c_str(),
        only_fence && asynchronous ? "no fence_proxy_async between" : "nothing orders them");
}

Granule* granules_of(unsigned rank, unsigned address, unsigned bytes)
{
    if (address + bytes > kSharedBytes) {
        wrong("shared byte %u is beyond the block's", address + bytes);
        std::exit(EXIT_FAILURE);
    }
    return blocks[rank].granules.data();
}

} // namespace

void on_read(unsigned rank, unsigned address, unsigned bytes, unsigned doer, Clock clock, bool asynchronous)
{
    Granule* granules = granules_of(rank, address, bytes);
    for (unsigned i = address / 2; i < (address + bytes + 1) / 2; ++i) {
        Granule& g = granules[i];
        if (!sees_write(g, asynchronous)) {
            unseen_write(g, rank, 2 * i, doer, "read", asynchronous);
            g.writer = kNobody;
        }
        if (g.readers != 0) {
            add_reader(reader_lists[g.readers], {doer, clock});
        } else if (g.reader == doer || g.reader == kNobody || self().times.seen[g.reader] >= g.read) {
            g.reader = static_cast<std::uint16_t>(doer), g.read = clock;
        } else {
            g.readers = new_list();
            reader_lists[g.readers].push_back({g.reader, g.read});
            reader_lists[g.readers].push_back({doer, clock});
        }
    }
}

void on_write(unsigned rank, unsigned address, unsigned bytes, unsigned doer, Clock clock, bool asynchronous)
{
    Granule* granules = granules_of(rank, address, bytes);
    for (unsigned i = address / 2; i < (address + bytes + 1) / 2; ++i) {
        Granule& g = granules[i];
        unsigned missed;
        if (!sees_write(g, asynchronous)) {
            unseen_write(g, rank, 2 * i, doer, "overwrite", asynchronous);
        } else if (!sees_reads(g, missed)) {
            wrong("%s overwrites shared byte %u that %s may still read", name_of(doer).c_str(), 2 * i, name_of(missed).c_str());
        }
        if (g.readers != 0) {
            free_lists.push_back(g.readers);
            g.readers = 0;
        }
        g.writer = static_cast<std::uint16_t>(doer), g.write = clock;
        g.reader = kNobody;
    }
}

void on_visit(unsigned rank, unsigned doer, Clock clock)
{
    if (rank != cluster_rank) {
        blocks[rank].visits[doer] = clock;
    }
}

void forget_readers()
{
    free_lists.clear();
    for (std::uint32_t i = 1; i < reader_lists.size(); ++i) {
        free_lists.push_back(i);
    }
}

// Global memory: an arena that starts anew when nothing of it is in use, and for two bytes each, who wrote and which block read them in which launch.
namespace {

constexpr std::size_t kArena = std::size_t{1} << 28, kAlignment = 256;

struct Owner {
    std::uint32_t launch;
    std::uint32_t who;
};

constexpr std::uint32_t kMany = ~0u;

template <class T>
T* reserve(std::size_t count)
{
    void* memory = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        std::printf("no memory\n");
        std::exit(EXIT_FAILURE);
    }
    return static_cast<T*>(memory);
}

unsigned char* arena = nullptr;
Owner *writers, *readers;
std::size_t used, live;

} // namespace

void* allocate_global(std::size_t bytes)
{
    if (arena == nullptr) {
        arena = reserve<unsigned char>(kArena);
        writers = reserve<Owner>(kArena / 2);
        readers = reserve<Owner>(kArena / 2);
    }
    void* memory = arena + used;
    used += (bytes + kAlignment) / kAlignment * kAlignment;
    ++live;
    if (used > kArena) {
        std::printf("the emulation's global memory is full\n");
        std::exit(EXIT_FAILURE);
    }
    return memory;
}

void free_global(void* memory)
{
    if (memory != nullptr && --live == 0) {
        used = 0;
    }
}

void on_global(const void* address, std::size_t bytes, bool write)
{
    const std::size_t offset = static_cast<std::size_t>(static_cast<const unsigned char*>(address) - arena);
    if (!self().grid_waited) {
        wrong("global memory is %s before griddepcontrol_wait", write ? "written" : "read");
        self().grid_waited = true;
    }
    const std::uint32_t own_block = cluster_number * static_cast<unsigned>(blocks.size()) + cluster_rank, own_thread = own_block * threads + thread_index.x;
    for (std::size_t i = offset / 2; i < (offset + bytes + 1) / 2; ++i) {
        Owner &writer = writers[i], &reader = readers[i];
        if (writer.launch == launches && writer.who != own_thread) {
            wrong("global memory that thread %u of block %u wrote is %s", writer.who % threads, writer.who / threads, write ? "written again" : "read in the same launch");
        }
        if (write) {
            if (reader.launch == launches && reader.who != own_block) {
                wrong("global memory that another block reads is written");
            }
            writer = {launches, own_thread};
        } else {
            reader = {launches, reader.launch == launches && reader.who != own_block ? kMany : own_block};
        }
    }
}

namespace {

void plain_access(const void* address, std::size_t bytes, bool write)
{
    if (fiber == kNobody) {
        return;
    }
    const auto* at = static_cast<const unsigned char*>(address);
    if (at >= shared && at < shared + kSharedBytes) {
        const unsigned offset = static_cast<unsigned>(at - shared);
        const Clock clock = self().times.seen[fiber];
        write ? on_write(cluster_rank, offset, static_cast<unsigned>(bytes), fiber, clock, false)
              : on_read(cluster_rank, offset, static_cast<unsigned>(bytes), fiber, clock, false);
    } else if (arena != nullptr && at >= arena && at < arena + kArena) {
        on_global(at, bytes, write);
    }
}

} // namespace

} // namespace emulated

// What -fsanitize=thread calls for every load and store. The sanitizer's own library is not there.
extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
#define TERA_ACCESS(bytes) \
    void __tsan_read##bytes(void* at) { emulated::plain_access(at, bytes, false); } \
    void __tsan_write##bytes(void* at) { emulated::plain_access(at, bytes, true); } \
    void __tsan_unaligned_read##bytes(void* at) { emulated::plain_access(at, bytes, false); } \
    void __tsan_unaligned_write##bytes(void* at) { emulated::plain_access(at, bytes, true); } \
    void __tsan_read_write##bytes(void* at) { emulated::plain_access(at, bytes, false), emulated::plain_access(at, bytes, true); } \
    void __tsan_unaligned_read_write##bytes(void* at) { emulated::plain_access(at, bytes, false), emulated::plain_access(at, bytes, true); }
TERA_ACCESS(1)
TERA_ACCESS(2)
TERA_ACCESS(4)
TERA_ACCESS(8)
TERA_ACCESS(16)
void __tsan_read_range(void* at, unsigned long bytes) { emulated::plain_access(at, bytes, false); }
void __tsan_write_range(void* at, unsigned long bytes) { emulated::plain_access(at, bytes, true); }
void* __tsan_memcpy(void* to, const void* from, unsigned long bytes)
{
    emulated::plain_access(from, bytes, false), emulated::plain_access(to, bytes, true);
    return std::memcpy(to, from, bytes);
}
void* __tsan_memset(void* to, int value, unsigned long bytes)
{
    emulated::plain_access(to, bytes, true);
    return std::memset(to, value, bytes);
}
void* __tsan_memmove(void* to, const void* from, unsigned long bytes)
{
    emulated::plain_access(from, bytes, false), emulated::plain_access(to, bytes, true);
    return std::memmove(to, from, bytes);
}
// Guards of local statics, before the library's own locks.
signed char __tsan_atomic8_load(const volatile signed char* at, int) { return *at; }
int __tsan_atomic32_load(const volatile int* at, int) { return *at; }
int __tsan_atomic32_fetch_add(volatile int* at, int value, int)
{
    const int before = *at;
    *at = before + value;
    return before;
}
}
