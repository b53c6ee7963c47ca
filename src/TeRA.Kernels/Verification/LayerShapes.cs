using System.Collections.Immutable;

namespace TeRA.Kernels.Verification;

/// <summary>The lists of layer problems that tests, <c>tera check</c> and benchmarks share.</summary>
internal static class LayerShapes
{
    /// <summary>Small and awkward: 0, 1, 2, 3, primes, tile borders, one to four modes, ranks above and below their modes.</summary>
    public static ImmutableArray<LayerShape> Quick { get; } =
    [
        new(1, [1], [1], [1], [1]),
        new(0, [4, 3], [2, 2], [3, 2], [2, 2]),
        new(1, [3, 2], [2, 3], [2, 2], [2, 1]),
        new(2, [7], [3], [5], [4]),
        new(3, [2, 3, 5], [2, 2, 3], [3, 7], [3, 2]),
        new(5, [2, 2, 3, 2], [2, 1, 2, 2], [2, 3, 2, 2], [1, 2, 2, 3]),
        new(9, [5, 3], [3, 3], [7], [3]),
        new(16, [4, 4], [2, 2], [3, 5], [2, 3]),
        new(40, [17], [5], [2, 3], [2, 2]),
        new(17, [4, 4], [6, 7], [3, 5], [5, 8]),
        new(31, [8, 4], [4, 4], [8, 8], [4, 4]),
        new(33, [31], [8], [33], [8]),
        new(64, [8, 8], [8, 8], [16, 4], [4, 4]),
        new(65, [127], [16], [13, 5], [8, 3]),
        new(129, [4, 4, 4], [2, 2, 2], [5, 5, 5], [3, 2, 3]),
        new(130, [43, 3], [8, 3], [8, 16], [8, 4]),
        new(257, [16, 8], [16, 8], [4, 4, 4], [4, 4, 4]),
        new(1025, [3, 11], [2, 5], [17], [6]),
    ];

    /// <summary>Sizes of real layers and of many tokens, for devices with the speed for them.</summary>
    public static ImmutableArray<LayerShape> Large { get; } =
    [
        new(1, [12, 8, 8], [4, 4, 4], [12, 8, 8], [4, 4, 4]),
        new(7, [16, 16, 4], [8, 8, 4], [16, 16, 4], [8, 8, 4]),
        new(128, [16, 16, 4], [8, 8, 4], [16, 16, 4], [8, 8, 4]),
        new(255, [12, 8, 8], [12, 8, 8], [12, 8, 8], [6, 4, 4]),
        new(513, [1021], [32], [1031], [48]),
        new(1024, [16, 8, 8], [8, 4, 4], [16, 16, 8], [4, 4, 4]),
        new(2049, [28, 16], [14, 8], [16, 16], [8, 8]),
        new(4096, [16, 16], [8, 8], [16, 16], [16, 16]),
    ];
}
