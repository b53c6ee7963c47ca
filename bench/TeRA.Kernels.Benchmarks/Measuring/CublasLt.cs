using System.Runtime.InteropServices;
using TeRA.Kernels.Cuda;
using TeRA.Kernels.Steps;

namespace TeRA.Kernels.Benchmarks.Measuring;

/// <summary>
/// cuBLASLt, loaded where it is found at run time: what our products are measured against. The library itself never uses it.
/// </summary>
internal sealed unsafe class CublasLt : IDisposable
{
    /// <summary>Environment variable that names the library.</summary>
    public const string Variable = "TERA_CUBLASLT";

    private const int Compute32F = 68;
    private const int Real32F = 0;
    private const int TransposeA = 3;
    private const int TransposeB = 4;
    private const int MaxWorkspaceBytes = 1;
    private const long WorkspaceBytes = 32L << 20;

    private static readonly string[] Names = ["libcublasLt.so.13", "/usr/local/cuda/lib64/libcublasLt.so.13", "libcublasLt.so.12", "/usr/local/cuda/lib64/libcublasLt.so.12", "cublasLt64_13.dll", "cublasLt64_12.dll"];

    private readonly CudaDevice device;
    private readonly Tensor workspace;
    private readonly nint library;
    private readonly nint handle;
    private readonly Dictionary<(bool, bool, bool, long, long, long), byte[]> fastest = [];
    private readonly delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, void*, nint, nuint, nint, int> matmul;

    /// <summary>Finds and opens it.</summary>
    /// <exception cref="DllNotFoundException">It is nowhere.</exception>
    public CublasLt(CudaDevice device)
    {
        this.device = device;
        string[] names = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path ? [path] : Names;
        library = names.Select(name => NativeLibrary.TryLoad(name, out nint found) ? found : 0).FirstOrDefault(found => found != 0);
        if (library == 0)
        {
            throw new DllNotFoundException($"No cuBLASLt, tried {string.Join(", ", names)}; set {Variable} to its path.");
        }

        matmul = (delegate* unmanaged<nint, nint, void*, nint, nint, nint, nint, void*, nint, nint, nint, nint, void*, nint, nuint, nint, int>)Export("cublasLtMatmul");
        using PrimaryContext.Scope scope = device.Context.Enter();
        nint created;
        Check(((delegate* unmanaged<nint*, int>)Export("cublasLtCreate"))(&created), "cublasLtCreate");
        handle = created;
        workspace = device.Allocate(DType.BFloat16, WorkspaceBytes / 2);
    }

    /// <summary>A product in row-major terms, C = A·B (+ <paramref name="addTo"/>), with the fastest of the algorithms that the heuristic names first, as measured here.</summary>
    public Action<StreamHandle> Product(Tensor a, Layout layoutA, Tensor b, Layout layoutB, Tensor c, long m, long n, long k, Tensor? addTo = null)
    {
        // Column-major, Cᵀ = Bᵀ·Aᵀ: the row-major operands are their own transposes.
        bool transposeFirst = layoutB == Layout.Transposed, transposeSecond = layoutA == Layout.Transposed;
        nint operation = Operation(transposeFirst, transposeSecond);
        nint first = transposeFirst ? Matrix(b.DType, k, n) : Matrix(b.DType, n, k);
        nint second = transposeSecond ? Matrix(a.DType, m, k) : Matrix(a.DType, k, m);
        nint result = Matrix(c.DType, n, m);
        var key = (transposeFirst, transposeSecond, addTo is not null, m, n, k);
        if (!fastest.TryGetValue(key, out byte[]? chosen))
        {
            byte[][] algorithms = Heuristic(operation, first, second, result);
            chosen = algorithms.MinBy(candidate => Seconds(With(candidate)))!;
            fastest.Add(key, chosen);
        }

        return With(chosen);

        Action<StreamHandle> With(byte[] algorithm)
        {
            byte* copy = (byte*)NativeMemory.Alloc((nuint)algorithm.Length);
            algorithm.CopyTo(new Span<byte>(copy, algorithm.Length));
            return stream =>
            {
                using PrimaryContext.Scope scope = device.Context.Enter();
                float one = 1, beta = addTo is null ? 0 : 1;
                Check(
                    matmul(handle, operation, &one, b.Address, first, a.Address, second, &beta, (addTo ?? c).Address, result, c.Address, result, copy, workspace.Address, (nuint)WorkspaceBytes, device.Resolve(stream)),
                    "cublasLtMatmul");
            };
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using PrimaryContext.Scope scope = device.Context.Enter();
        ((delegate* unmanaged<nint, int>)Export("cublasLtDestroy"))(handle);
        workspace.Dispose();
    }

    private static void Check(int status, string call)
    {
        if (status != 0)
        {
            throw new InvalidOperationException($"{call} failed with cublasStatus_t {status}.");
        }
    }

    private static int TypeOf(DType dtype) => dtype switch { DType.BFloat16 => 14, DType.Float16 => 2, _ => Real32F };

    // The median of single runs: enough to tell algorithms apart that matter.
    private double Seconds(Action<StreamHandle> product)
    {
        const int runs = 5;
        using CudaEvent start = device.CreateEvent(), end = device.CreateEvent();
        var times = new double[runs];
        product(default);
        for (int i = 0; i < runs; i++)
        {
            start.Record();
            product(default);
            end.Record();
            end.Synchronize();
            times[i] = end.SecondsSince(start);
        }

        Array.Sort(times);
        return times[runs / 2];
    }

    private nint Export(string name) => NativeLibrary.GetExport(library, name);

    private nint Operation(bool transposeFirst, bool transposeSecond)
    {
        nint operation;
        Check(((delegate* unmanaged<nint*, int, int, int>)Export("cublasLtMatmulDescCreate"))(&operation, Compute32F, Real32F), "cublasLtMatmulDescCreate");
        var set = (delegate* unmanaged<nint, int, void*, nuint, int>)Export("cublasLtMatmulDescSetAttribute");
        int first = transposeFirst ? 1 : 0, second = transposeSecond ? 1 : 0;
        Check(set(operation, TransposeA, &first, sizeof(int)), "cublasLtMatmulDescSetAttribute");
        Check(set(operation, TransposeB, &second, sizeof(int)), "cublasLtMatmulDescSetAttribute");
        return operation;
    }

    private nint Matrix(DType dtype, long rows, long columns)
    {
        nint layout;
        Check(
            ((delegate* unmanaged<nint*, int, ulong, ulong, long, int>)Export("cublasLtMatrixLayoutCreate"))(&layout, TypeOf(dtype), (ulong)rows, (ulong)columns, rows),
            "cublasLtMatrixLayoutCreate");
        return layout;
    }

    // Results of 96 bytes, the first 64 of which are the algorithm; those that don't apply have a status.
    private byte[][] Heuristic(nint operation, nint first, nint second, nint result)
    {
        const int wanted = 8, resultBytes = 96, algorithmBytes = 64, statusOffset = 72;
        nint preference;
        Check(((delegate* unmanaged<nint*, int>)Export("cublasLtMatmulPreferenceCreate"))(&preference), "cublasLtMatmulPreferenceCreate");
        ulong bytes = (ulong)WorkspaceBytes;
        Check(
            ((delegate* unmanaged<nint, int, void*, nuint, int>)Export("cublasLtMatmulPreferenceSetAttribute"))(preference, MaxWorkspaceBytes, &bytes, sizeof(ulong)),
            "cublasLtMatmulPreferenceSetAttribute");
        var found = new byte[wanted * resultBytes];
        int count = 0;
        using PrimaryContext.Scope scope = device.Context.Enter();
        fixed (byte* results = found)
        {
            Check(
                ((delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, void*, int*, int>)Export("cublasLtMatmulAlgoGetHeuristic"))(
                    handle, operation, first, second, result, result, preference, wanted, results, &count),
                "cublasLtMatmulAlgoGetHeuristic");
        }

        byte[][] usable =
        [
            .. Enumerable.Range(0, count).Where(i => BitConverter.ToInt32(found, (i * resultBytes) + statusOffset) == 0)
                .Select(i => found.AsSpan(i * resultBytes, algorithmBytes).ToArray()),
        ];
        return usable.Length > 0 ? usable : throw new InvalidOperationException("cuBLASLt has no algorithm for this product.");
    }
}
