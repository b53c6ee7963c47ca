// What the toolchain and the device need to prove before anything is computed: sizes agree between C# and the device, a launch arrives,
// and a fault is reported.
//
//   probe_layout   writes the size and the offsets of ProbeArguments as the device sees them
//   probe_scale    output[i] = factor * input[i], one thread an element
//   probe_trap     stops with a fault

struct ProbeArguments
{
    const float* input;
    float* output;
    long long count;
    float factor;
    unsigned char tag;
};

template <typename Field>
__device__ float offset(const ProbeArguments& whole, const Field& field)
{
    return static_cast<float>(reinterpret_cast<const char*>(&field) - reinterpret_cast<const char*>(&whole));
}

extern "C" __global__ void probe_layout(const __grid_constant__ ProbeArguments arguments)
{
    if (blockIdx.x == 0 && threadIdx.x == 0)
    {
        arguments.output[0] = sizeof(ProbeArguments);
        arguments.output[1] = offset(arguments, arguments.input);
        arguments.output[2] = offset(arguments, arguments.output);
        arguments.output[3] = offset(arguments, arguments.count);
        arguments.output[4] = offset(arguments, arguments.factor);
        arguments.output[5] = offset(arguments, arguments.tag);
    }
}

extern "C" __global__ void probe_scale(const __grid_constant__ ProbeArguments arguments)
{
    const long long index = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (index < arguments.count)
    {
        arguments.output[index] = arguments.factor * arguments.input[index];
    }
}

extern "C" __global__ void probe_trap(const __grid_constant__ ProbeArguments arguments)
{
    if (arguments.count > 0)
    {
        __trap();
    }
}
