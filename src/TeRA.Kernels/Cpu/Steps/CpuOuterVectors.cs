using System.Numerics;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Cpu.Steps;

/// <summary>
/// The outer product of vectors, from the first to the last: the products of all vectors but the last are expanded in scratch
/// memory one vector at a time, then each of them scales the last vector into the output.
/// </summary>
/// <typeparam name="T">float or double.</typeparam>
internal sealed unsafe class CpuOuterVectors<T> : CpuStep where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private const int Chunk = 8192;
    private readonly OuterVectorsStep step;
    private readonly nint[] vectors;
    private readonly long last;
    private readonly long prefixes;
    private readonly long longest;
    private nint output;

    public CpuOuterVectors(WorkerPool pool, OuterVectorsStep step)
        : base(pool, $"outer-vectors of {step.Vectors.Length}")
    {
        this.step = step;
        vectors = new nint[step.Vectors.Length];
        last = step.Vectors[^1].Length;
        prefixes = step.Vectors.Take(vectors.Length - 1).Aggregate(1L, (product, vector) => checked(product * vector.Length));
        longest = step.Vectors.Max(vector => vector.Length);
        pool.Reserve(sizeof(T) * last, sizeof(T) * ((2 * prefixes) + (2 * longest)));
    }

    private T* LastVector => (T*)Pool.Shared;

    private T* Prefixes => LastVector + (2 * longest);

    private long RowsPerItem => Math.Max(1, Chunk / Math.Max(1, last));

    /// <inheritdoc/>
    protected override void Execute(ReadOnlySpan<nint> addresses)
    {
        for (int n = 0; n < vectors.Length; n++)
        {
            vectors[n] = addresses[step.Vectors[n].Operand.Slot];
        }

        output = addresses[step.Output.Slot];
        if (prefixes == 0 || last == 0)
        {
            return;
        }

        Expand();
        Storage.Load(vectors[^1], step.Vectors[^1].Operand.DType, 0, last, LastVector);
        Pool.Run(this, 0, Parts(prefixes, RowsPerItem));
    }

    /// <inheritdoc/>
    internal override void RunItem(int phase, long item, byte* scratch)
    {
        long end = Math.Min((item + 1) * RowsPerItem, prefixes);
        for (long row = item * RowsPerItem; row < end; row++)
        {
            T* result = Storage.Target(output, step.Output.DType, row * last, (T*)scratch);
            Storage.Copy(LastVector, result, last);
            if (vectors.Length > 1)
            {
                Vectors.Scale(result, Prefixes[row], last);
            }

            Storage.Write(result, output, step.Output.DType, row * last, last);
        }
    }

    /// <summary>Prefixes[i] = the product of the vectors before the last, expanded from the back so that it can stay in place.</summary>
    private void Expand()
    {
        T* values = LastVector + longest;
        Prefixes[0] = T.One;
        long length = 1;
        for (int n = 0; n < vectors.Length - 1; n++)
        {
            long count = step.Vectors[n].Length;
            Storage.Load(vectors[n], step.Vectors[n].Operand.DType, 0, count, values);
            for (long i = length - 1; i >= 0; i--)
            {
                T product = Prefixes[i];
                for (long j = count - 1; j >= 0; j--)
                {
                    Prefixes[(i * count) + j] = product * values[j];
                }
            }

            length *= count;
        }
    }
}
