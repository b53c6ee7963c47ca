// What goes on beside the threads: the copy engine and its barriers, cp.async, wgmma.
#include "check.h"
#include "state.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace emulated {

std::deque<Load> loads;
std::vector<Store> late_stores;

namespace {

PhaseBarrier& phase_barrier(unsigned barrier, bool by_copy)
{
    const auto found = block().phases.find(barrier);
    if (found == block().phases.end()) {
        wrong("there is no barrier at shared byte %u", barrier);
        std::exit(EXIT_FAILURE);
    }
    PhaseBarrier& b = found->second;
    if (self().times.seen[b.initialiser] < b.initialised) {
        wrong("barrier %u is used, but nothing orders that after its initialisation", barrier);
    }
    // The fence is needed for those who are not the initialiser, the copy engine among them.
    if (by_copy && !b.fenced) {
        wrong("barrier %u is used by the copy engine without fence_mbarrier_init", barrier);
        b.fenced = true;
    }
    return b;
}

void settle(PhaseBarrier& b, unsigned barrier)
{
    // Before the last arrival bytes may come that another block has asked for.
    if (b.pending == 0 && b.bytes < 0) {
        wrong("barrier %u: more bytes came than were announced", barrier);
    }
    if (b.pending == 0 && b.bytes == 0) {
        b.pending = b.count;
        ++b.completed;
        b.released = b.gathering;
        if (b.engine != kNobody) {
            b.released.seen[b.engine] = b.gathering.seen[b.engine] = b.completed;
        }
    }
}

} // namespace

void barrier_init(unsigned address, unsigned count)
{
    const unsigned barrier = own(address);
    if (barrier % 8 != 0 || count == 0) {
        wrong("a barrier is 8 bytes, aligned, and counts something");
    }
    if (block().phases.count(barrier)) {
        wrong("the barrier at %u is initialised again", barrier);
    }
    on_write(cluster_rank, barrier, 8, fiber, self().times.seen[fiber], false);
    PhaseBarrier& b = block().phases[barrier];
    b.count = b.pending = static_cast<int>(count);
    b.initialiser = fiber, b.initialised = self().times.seen[fiber];
    b.gathering.reset(), b.released.reset();
}

void barrier_fence()
{
    if (fault != Fault::no_barrier_fence) {
        for (auto& [at, b] : block().phases) {
            b.fenced |= b.initialiser == fiber;
        }
    }
}

void barrier_arrive(unsigned address, unsigned bytes)
{
    const unsigned barrier = own(address);
    PhaseBarrier& b = phase_barrier(barrier, false);
    if (bytes != 0) {
        bytes += fault == Fault::wrong_bytes ? 16 : fault == Fault::fewer_bytes ? -16 : 0;
    }
    b.announced |= bytes != 0;
    b.bytes += bytes;
    show(b.gathering);
    if (--b.pending < 0) {
        wrong("barrier %u: more arrivals than it counts", barrier);
    }
    settle(b, barrier);
}

void barrier_wait(unsigned address, unsigned parity)
{
    const unsigned barrier = own(address);
    PhaseBarrier& b = phase_barrier(barrier, false);
    // The first wait of a thread is for the first phase, or, with the other parity, for the one before it, which counts as complete.
    const auto [entry, is_first] = self().phases.try_emplace(barrier, parity == 0 ? 0 : -1);
    int& phase = entry->second;
    if ((phase & 1) != static_cast<int>(parity)) {
        wrong("barrier %u: a wait for parity %u, where the next phase is number %d", barrier, parity, phase);
    }
    if (static_cast<int>(b.completed) > phase + 1) {
        // Of the hardware's answer only the parity tells: this wait would be for a later phase, or for ever. Stricter than PTX for a thread that leaves phases out.
        wrong("barrier %u: phase %d ended before the thread knew of phase %d", barrier, static_cast<int>(b.completed) - 1, phase);
    }
    if (fault != Fault::no_phase_wait && (fault != Fault::no_free_wait || b.announced)) {
        while (static_cast<int>(b.completed) <= phase) {
            wait_until(&b.completed, b.completed, "phase " + std::to_string(phase) + " of the barrier at " + std::to_string(barrier) + ", which lacks " + std::to_string(b.pending)
                    + " arrivals and " + std::to_string(b.bytes) + " bytes");
        }
        see(b.released);
    }
    ++phase;
}

namespace {

/// Runs of a row of a box: visit(inside, global, shared offset, elements), each within 16 bytes of shared memory.
template <class Visit>
void for_each_run(const TensorMap& map, unsigned start, int x, int y, int z, const Visit& visit)
{
    const int row = map.box[0] * 2;
    const long long second = map.strides[0] ? map.strides[0] : map.lengths[0], third = map.strides[1] ? map.strides[1] : second * map.lengths[1];
    for (int c = 0; c < map.box[2]; ++c) {
        for (int b = 0; b < map.box[1]; ++b) {
            const bool there = y + b >= 0 && y + b < map.lengths[1] && z + c >= 0 && z + c < map.lengths[2];
            for (int a = 0; a < map.box[0]; a += 8) {
                const int inside = there ? std::clamp(map.lengths[0] - x - a, 0, 8) : 0;
                const unsigned place = start + (c * map.box[1] + b) * row + 2 * a;
                visit(inside, map.address + (z + c) * third + (y + b) * second + x + a, place ^ ((place >> 7 & (row / 16 - 1)) << 4));
            }
        }
    }
}

void check_map(const TensorMap& map, unsigned start, int x)
{
    const int row = map.box[0] * 2;
    if (start % (8 * row) != 0 || (row != 128 && row != 64 && row != 32 && row != 16)) {
        wrong("boxes start at multiples of the swizzle's pattern (%u), and are as wide (%d bytes)", start, row);
    }
    const bool second = map.lengths[1] > 1, third = map.lengths[2] > 1;
    const long long stride = map.strides[0] ? map.strides[0] : map.lengths[0], stride_2 = map.strides[1] ? map.strides[1] : stride * map.lengths[1];
    if (reinterpret_cast<std::uintptr_t>(map.address) % 16 != 0 || (second && stride % 8 != 0) || (third && stride_2 % 8 != 0)) {
        wrong("a tensor map's address and strides are multiples of 16 bytes");
    }
    if (x < 0 || map.box[0] > 256 || map.box[1] > 256 || map.box[2] > 256) {
        wrong("a box begins inside a row and has at most 256 a side");
    }
}

/// Takes what a store reads: at the latest when its thread waits for that.
void read_store(Store& store)
{
    if (!store.read) {
        store.read = true;
        for_each_run(*store.map, store.from, store.x, store.y, store.z, [&](int inside, unsigned short*, unsigned place) {
            const auto* from = reinterpret_cast<const unsigned short*>(shared + place);
            store.values.insert(store.values.end(), from, from + inside);
        });
    }
}

void write_store(const Store& store)
{
    auto value = store.values.begin();
    for_each_run(*store.map, store.from, store.x, store.y, store.z, [&](int inside, unsigned short* at, unsigned) {
        std::copy(value, value + inside, at);
        value += inside;
    });
}

} // namespace

void bulk_load(unsigned address, const TensorMap& map, int x, int y, int z, unsigned counting)
{
    const unsigned to = own(address), barrier = own(counting);
    check_map(map, to, x);
    PhaseBarrier& b = phase_barrier(barrier, true);
    if (b.engine == kNobody) {
        b.engine = new_engine("the loads of barrier " + std::to_string(barrier));
    }
    for_each_run(map, to, x, y, z, [&](int inside, unsigned short* at, unsigned place) {
        on_write(cluster_rank, place, 16, b.engine, b.completed + 1, true);
        std::memset(shared + place, 0xFF, 16);
        if (inside > 0) {
            on_global(at, 2 * inside, false);
        }
    });
    loads.push_back({to, cluster_rank, barrier, fiber, map, x, y, z});
    if (early()) {
        complete_load(loads.size() - 1);
    }
}

void complete_load(std::size_t number)
{
    const Load load = loads[number];
    loads.erase(loads.begin() + static_cast<std::ptrdiff_t>(number));
    unsigned char* memory = memory_of(load.rank);
    for_each_run(load.map, load.to, load.x, load.y, load.z, [&](int inside, unsigned short* at, unsigned place) {
        std::memset(memory + place, 0, 16);
        std::memcpy(memory + place, at, 2 * inside);
    });
    PhaseBarrier& b = blocks[load.rank].phases.at(load.barrier);
    b.bytes -= 2ll * load.map.box[0] * load.map.box[1] * load.map.box[2];
    settle(b, load.barrier);
}

void bulk_store(const TensorMap& map, int x, int y, int z, unsigned address)
{
    const unsigned from = own(address);
    check_map(map, from, x);
    Fiber& f = self();
    if (f.store_engine == kNobody) {
        f.store_engine = new_engine("the stores of " + name_of(fiber));
    }
    const Clock clock = f.stores_closed + 1;
    for_each_run(map, from, x, y, z, [&](int inside, unsigned short* at, unsigned place) {
        if (inside > 0) {
            on_read(cluster_rank, place, 2 * inside, f.store_engine, clock, true);
            on_global(at, 2 * inside, true);
        }
    });
    Store store{&map, x, y, z, from, false, {}};
    if (early()) {
        read_store(store);
    }
    f.stores.emplace_back(clock, std::move(store));
}

void bulk_commit() { ++self().stores_closed; }

void bulk_wait_read(unsigned pending)
{
    Fiber& f = self();
    pending += fault == Fault::late_store_wait ? 1 : 0;
    const unsigned done = f.stores_closed > pending ? f.stores_closed - pending : 0;
    for (; !f.stores.empty() && f.stores.front().first <= done; f.stores.pop_front()) {
        read_store(f.stores.front().second);
        // They reach global memory when they like, at the latest with the kernel's end; nobody may look before.
        if (early()) {
            write_store(f.stores.front().second);
        } else {
            late_stores.push_back(std::move(f.stores.front().second));
        }
    }
    if (f.store_engine != kNobody) {
        f.times.seen[f.store_engine] = std::max(f.times.seen[f.store_engine], done);
    }
}

void proxy_fence()
{
    if (fault != Fault::no_proxy_fence) {
        Times& t = self().times;
        for (unsigned i = 0; i < doers; ++i) {
            t.fenced[i] = std::max(t.fenced[i], t.seen[i]);
        }
        tick();
    }
}

void end_thread()
{
    Fiber& f = self();
    if (!f.stores.empty()) {
        wrong("the thread ends while %zu of its bulk stores may still read shared memory", f.stores.size());
    }
    if (!f.pending.empty()) {
        wrong("the thread ends before its wgmma");
    }
    for (const auto& [group, copy] : f.copies) {
        if (copy.bytes != 0) {
            wrong("the thread ends before its cp.async");
            break;
        }
    }
    f.stores.clear();
}

void end_launch()
{
    if (by_chance()) {
        std::shuffle(late_stores.begin(), late_stores.end(), chance);
    }
    for (const Store& store : late_stores) {
        write_store(store);
    }
    late_stores.clear();
}

// cp.async. Its writes are ordinary ones, by someone else.
namespace {

void perform(Copy& copy)
{
    if (!copy.done) {
        copy.done = true;
        std::memset(shared + copy.to, 0, copy.size);
        std::memcpy(shared + copy.to, copy.from, copy.bytes);
    }
}

} // namespace

void copy(unsigned address, const void* from, unsigned bytes, unsigned size)
{
    const unsigned to = own(address);
    Fiber& f = self();
    if (to % size != 0 || reinterpret_cast<std::uintptr_t>(from) % size != 0 || bytes > size) {
        wrong("cp.async of %u bytes reads %u, and both addresses are multiples", size, bytes);
    }
    if (f.copy_engine == kNobody) {
        f.copy_engine = new_engine("cp.async of " + name_of(fiber));
    }
    on_write(cluster_rank, to, size, f.copy_engine, f.copies_closed + 1, false);
    if (bytes > 0) {
        on_global(from, bytes, false);
    }
    std::memset(shared + to, 0xFF, size);
    Copy copy{to, from, bytes, size, false};
    if (early()) {
        perform(copy);
    }
    f.copies.emplace_back(f.copies_closed + 1, copy);
}

void copy_commit() { ++self().copies_closed; }

void copy_wait(unsigned pending)
{
    Fiber& f = self();
    pending += fault == Fault::late_copy_wait ? 1 : 0;
    const unsigned done = f.copies_closed > pending ? f.copies_closed - pending : 0;
    for (; !f.copies.empty() && f.copies.front().first <= done; f.copies.pop_front()) {
        perform(f.copies.front().second);
    }
    if (f.copy_engine != kNobody) {
        f.times.seen[f.copy_engine] = std::max(f.times.seen[f.copy_engine], done);
    }
}

// wgmma. An instruction is the whole warpgroup's: it is complete for all of them when one thread has waited for it (as every library in use takes it), and it
// cannot be before all have issued it.
namespace {

constexpr std::uint32_t kPoison = 0x7FC0DEAD;

Warpgroup& warpgroup() { return block().warpgroups[thread_index.x / 128]; }

float poison()
{
    float value;
    std::memcpy(&value, &kPoison, 4);
    return value;
}

bool poisoned(const float* d, std::size_t count)
{
    for (std::size_t i = 0; i < count; ++i) {
        std::uint32_t bits;
        std::memcpy(&bits, d + i, 4);
        if (bits != kPoison) {
            return false;
        }
    }
    return true;
}

/// The 16-byte pieces of an operand: visit(shared address, index along M or N, index along K).
template <class Visit>
void for_each_piece(unsigned long long descriptor, bool transposed, unsigned extent, const Visit& visit)
{
    const unsigned start = (descriptor & 0x3FFF) << 4, leading = (descriptor >> 16 & 0x3FFF) << 4, stride = (descriptor >> 32 & 0x3FFF) << 4;
    const auto swizzled = [](unsigned at) { return at ^ ((at >> 7 & 7) << 4); };
    if (transposed) {
        for (unsigned k = 0; k < 16; ++k) {
            for (unsigned i = 0; i < extent; i += 8) {
                visit(swizzled(start + i / 64 * leading + k / 8 * stride + k % 8 * 128 + i % 64 * 2), i, k);
            }
        }
    } else {
        for (unsigned i = 0; i < extent; ++i) {
            for (unsigned k = 0; k < 16; k += 8) {
                visit(swizzled(start + i / 8 * stride + i % 8 * 128 + k * 2), i, k);
            }
        }
    }
}

/// The operand's elements, [k][index].
void load_operand(std::vector<float>& to, unsigned long long descriptor, bool transposed, unsigned extent, float (*decode)(unsigned short))
{
    to.resize(16 * extent);
    for_each_piece(descriptor, transposed, extent, [&](unsigned at, unsigned index, unsigned k) {
        unsigned short values[8];
        std::memcpy(values, shared + at, 16);
        for (unsigned i = 0; i < 8; ++i) {
            to[transposed ? k * extent + index + i : (k + i) * extent + index] = decode(values[i]);
        }
    });
}

PendingRegisters* pending_of(Fiber& f, const float* d)
{
    for (PendingRegisters& p : f.pending) {
        if (p.at == d) {
            return &p;
        }
    }
    return nullptr;
}

void execute(Wgmma& op, unsigned first_thread)
{
    const WgmmaOperands& o = op.operands;
    const unsigned columns = static_cast<unsigned>(o.registers) * 2;
    static std::vector<float> a, b, d;
    load_operand(a, o.a, o.transposed_a, 64, o.decode);
    load_operand(b, o.b, o.transposed_b, columns, o.decode);
    d.assign(64 * columns, 0.0f);
    float* registers[128];
    for (unsigned t = 0; t < 128; ++t) {
        registers[t] = pending_of(fibers[first_thread + t], op.d[t])->values.data();
    }
    const auto place = [&](unsigned t, int i) { return (t / 32 * 16 + t % 32 / 4 + ((i & 2) << 2)) * columns + static_cast<unsigned>(i) / 4 * 8 + t % 4 * 2 + (i & 1); };
    for (unsigned t = 0; t < 128 && o.add; ++t) {
        for (int i = 0; i < o.registers; ++i) {
            d[place(t, i)] = registers[t][i];
        }
    }
    for (unsigned row = 0; row < 64; ++row) {
        float* line = d.data() + row * columns;
        for (unsigned k = 0; k < 16; ++k) {
            const float left = a[k * 64 + row], *right = b.data() + k * columns;
            for (unsigned column = 0; column < columns; ++column) {
                line[column] += left * right[column];
            }
        }
    }
    for (unsigned t = 0; t < 128; ++t) {
        for (int i = 0; i < o.registers; ++i) {
            registers[t][i] = d[place(t, i)];
        }
    }
}

/// Executes, in order, what is before number `end`.
void execute_until(Warpgroup& group, unsigned end)
{
    const unsigned first_thread = cluster_rank * threads + thread_index.x / 128 * 128;
    for (; group.executed < end; ++group.executed) {
        execute(group.list[group.executed - group.first], first_thread);
        group.list[group.executed - group.first].executed = true;
    }
}

} // namespace

void wgmma_fence() { self().registers_fenced |= fault != Fault::no_wgmma_fence; }

void wgmma_commit() { ++self().wgmma_closed; }

void wgmma(float* d, const WgmmaOperands& operands)
{
    Fiber& f = self();
    Warpgroup& group = warpgroup();
    if (operands.a >> 62 != 1 || operands.b >> 62 != 1) {
        wrong("descriptors say 128-byte swizzle");
    }
    if (group.engine == kNobody) {
        group.engine = new_engine("wgmma of warpgroup " + std::to_string(thread_index.x / 128));
    }
    // The accumulators are the tensor cores' until a wait.
    const std::size_t count = static_cast<std::size_t>(operands.registers);
    PendingRegisters* pending = pending_of(f, d);
    if (pending == nullptr) {
        // Stricter than PTX where nothing has touched the registers since the last fence.
        if (!f.registers_fenced) {
            wrong("wgmma on registers that the thread had, without wgmma_fence");
        }
        f.pending.push_back({d, std::vector<float>(d, d + count), 0});
        pending = &f.pending.back();
        std::fill(d, d + count, poison());
    } else if (!poisoned(d, count)) {
        wrong("accumulators are written while wgmma runs on them");
    }
    pending->group = f.wgmma_closed + 1;
    // Of each warp, one thread's view of the operands.
    if (thread_index.x % 32 == 0) {
        const auto read = [&](unsigned at, unsigned, unsigned) { on_read(cluster_rank, at, 16, group.engine, f.wgmma_closed + 1, true); };
        for_each_piece(operands.a, operands.transposed_a, 64, read);
        for_each_piece(operands.b, operands.transposed_b, 2 * operands.registers, read);
    }
    const unsigned number = f.wgmma_issued++;
    if (number - group.first == group.list.size()) {
        group.list.push_back({operands, 0, f.wgmma_closed + 1});
    }
    Wgmma& op = group.list[number - group.first];
    if (!(op.operands == operands) || op.group != f.wgmma_closed + 1) {
        wrong("the threads of a warpgroup issue different wgmma");
    }
    op.d[thread_index.x % 128] = d;
    if (++op.arrived == 128) {
        ++group.complete;
        if (early()) {
            execute_until(group, number + 1);
        }
    }
}

void wgmma_wait(unsigned pending)
{
    Fiber& f = self();
    Warpgroup& group = warpgroup();
    pending += fault == (pending > 0 ? Fault::late_wgmma_wait : Fault::no_last_wgmma_wait) ? 1 : 0;
    const unsigned done = f.wgmma_closed > pending ? f.wgmma_closed - pending : 0;
    unsigned end = group.first;
    while (end - group.first < group.list.size() && group.list[end - group.first].group <= done) {
        ++end;
    }
    while (group.complete < end) {
        wait_until(&group.complete, group.complete, "the warpgroup's other warps to issue wgmma");
    }
    execute_until(group, end);
    for (std::size_t i = 0; i < f.pending.size();) {
        PendingRegisters& p = f.pending[i];
        if (p.group <= done) {
            if (!poisoned(p.at, p.values.size())) {
                wrong("accumulators are written while wgmma runs on them");
            }
            std::copy(p.values.begin(), p.values.end(), p.at);
            f.pending.erase(f.pending.begin() + static_cast<std::ptrdiff_t>(i));
            f.registers_fenced = false;
        } else {
            ++i;
        }
    }
    if (group.engine != kNobody) {
        f.times.seen[group.engine] = std::max(f.times.seen[group.engine], done);
    }
    // What every thread has issued and all have executed is forgotten.
    while (group.list.size() > 64 && group.list.front().executed) {
        group.list.pop_front();
        ++group.first;
    }
}

} // namespace emulated
