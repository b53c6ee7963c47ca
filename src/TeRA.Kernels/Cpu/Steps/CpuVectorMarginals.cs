using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// The gradients of an outer product's vectors. From the last vector to the first: the n-th gradient is the tensor contracted with
/// the products of the vectors before it; then the tensor is contracted with the n-th vector itself, which leaves one for the vectors before.
/// So the whole costs little more than two passes over the tensor. Computed in float64 and added once.
/// </summary>
internal sealed unsafe class CpuVectorMarginals : CpuStep
{
    private readonly VectorMarginalsStep step;
    private readonly nint[] vectors;
    private readonly nint[] gradients;
    private readonly long length;
    private readonly long longest;

    public CpuVectorMarginals(WorkerPool pool, VectorMarginalsStep step)
        : base(pool, $"vector-marginals of {step.Vectors.Length}")
    {
        this.step = step;
        vectors = new nint[step.Vectors.Length];
        gradients = new nint[step.Vectors.Length];
        length = step.Length;
        longest = step.Vectors.Max(vector => vector.Length);
        pool.Reserve(0, sizeof(double) * ((2 * length) + (3 * longest) + 1));
    }

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        for (int n = 0; n < vectors.Length; n++)
        {
            vectors[n] = addresses[step.Vectors[n].Operand.Slot];
            gradients[n] = addresses[step.Gradients[n].Slot];
        }

        if (length == 0)
        {
            return;
        }

        var tensor = (double*)Pool.Shared;
        Storage.Load(addresses[step.Full.Slot], step.Full.DType, 0, length, tensor);
        long before = length;
        for (int n = vectors.Length - 1; n >= 0; n--)
        {
            before /= step.Vectors[n].Length;
            Gradient(n, before, tensor);
            Contract(n, before, tensor);
        }
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch) => throw new InvalidOperationException("This step runs on the calling thread.");

    private double* Vector(int n, double* buffer) =>
        Storage.Read(vectors[n], step.Vectors[n].Operand.DType, 0, step.Vectors[n].Length, buffer);

    private void Gradient(int n, long before, double* tensor)
    {
        long count = step.Vectors[n].Length;
        double* prefixes = tensor + length, values = prefixes + length + 1, sums = values + longest, old = sums + longest;
        Prefixes(n, prefixes, values);
        new Span<double>(sums, checked((int)count)).Clear();
        for (long i = 0; i < before; i++)
        {
            Vectors.AddScaled(sums, tensor + (i * count), prefixes[i], sums, count);
        }

        Operand result = step.Gradients[n];
        Storage.Load(gradients[n], result.DType, 0, count, old);
        Vectors.Add(old, sums, count);
        Storage.Write(sums, gradients[n], result.DType, 0, count);
    }

    private void Prefixes(int n, double* prefixes, double* buffer)
    {
        prefixes[0] = 1;
        long expanded = 1;
        for (int m = 0; m < n; m++)
        {
            long count = step.Vectors[m].Length;
            double* vector = Vector(m, buffer);
            for (long i = expanded - 1; i >= 0; i--)
            {
                double product = prefixes[i];
                for (long j = count - 1; j >= 0; j--)
                {
                    prefixes[(i * count) + j] = product * vector[j];
                }
            }

            expanded *= count;
        }
    }

    private void Contract(int n, long before, double* tensor)
    {
        long count = step.Vectors[n].Length;
        double* vector = Vector(n, tensor + (2 * length) + 1);
        for (long i = 0; i < before; i++)
        {
            tensor[i] = Vectors.Dot(tensor + (i * count), vector, count);
        }
    }
}
