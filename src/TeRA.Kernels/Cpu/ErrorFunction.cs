namespace TeRA.Kernels.Cpu;

// The rational approximations are those of fdlibm's s_erf.c:
// Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Developed at SunPro, a Sun Microsystems, Inc. business.
// Permission to use, copy, modify, and distribute this software is freely granted, provided that this notice is preserved.

/// <summary>The error function and the standard normal distribution in float64, to about one unit in the last place.</summary>
internal static class ErrorFunction
{
    private const double Split = 0.84506291151046752930; // erf(1), rounded to float32

    private static ReadOnlySpan<double> NearNumerator =>
        [1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02, -5.77027029648944159157e-03, -2.37630166566501626084e-05];

    private static ReadOnlySpan<double> NearDenominator =>
        [1, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03, 1.32494738004321644526e-04, -3.96022827877536812320e-06];

    private static ReadOnlySpan<double> MiddleNumerator =>
    [
        -2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01, 3.18346619901161753674e-01,
        -1.10894694282396677476e-01, 3.54783043256182359371e-02, -2.16637559486879084300e-03,
    ];

    private static ReadOnlySpan<double> MiddleDenominator =>
    [
        1, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02, 1.26171219808761642112e-01,
        1.36370839120290507362e-02, 1.19844998467991074170e-02,
    ];

    private static ReadOnlySpan<double> FarNumerator =>
    [
        -9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01, -6.23753324503260060396e+01,
        -1.62396669462573470355e+02, -1.84605092906711035994e+02, -8.12874355063065934246e+01, -9.81432934416914548592e+00,
    ];

    private static ReadOnlySpan<double> FarDenominator =>
    [
        1, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02, 6.45387271733267880336e+02,
        4.29008140027567833386e+02, 1.08635005541779435134e+02, 6.57024977031928170135e+00, -6.04244152148580987438e-02,
    ];

    private static ReadOnlySpan<double> TailNumerator =>
    [
        -9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01, -1.60636384855821916062e+02,
        -6.37566443368389627722e+02, -1.02509513161107724954e+03, -4.83519191608651397019e+02,
    ];

    private static ReadOnlySpan<double> TailDenominator =>
    [
        1, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03, 3.19985821950859553908e+03,
        2.55305040643316442583e+03, 4.74528541206955367215e+02, -2.24409524465858183362e+01,
    ];

    /// <summary>erf(x) = 2/√π·∫₀ˣ exp(−t²) dt.</summary>
    public static double Erf(double x)
    {
        double size = Math.Abs(x);
        return size < 0.84375 ? x + (x * Near(x * x))
            : double.IsNaN(x) ? x
            : Math.CopySign(size < 6 ? 1 - Complement(size) : 1, x);
    }

    /// <summary>erfc(x) = 1 − erf(x), accurate where erf is close to 1.</summary>
    public static double Erfc(double x)
    {
        double size = Math.Abs(x);
        if (size < 0.84375)
        {
            return x < 0.25 ? 1 - (x + (x * Near(x * x))) : 0.5 - (x - 0.5 + (x * Near(x * x)));
        }

        return double.IsNaN(x) ? x : x > 0 ? Complement(x) : 2 - Complement(size);
    }

    /// <summary>Φ(x), the distribution function of the standard normal.</summary>
    public static double Normal(double x) => 0.5 * Erfc(x * -0.70710678118654752440);

    /// <summary>φ(x), its density.</summary>
    public static double Density(double x) => 0.39894228040143267794 * Math.Exp(-0.5 * x * x);

    private static double Near(double square) => Polynomial(NearNumerator, square) / Polynomial(NearDenominator, square);

    /// <summary>erfc of 0.84375 and above.</summary>
    private static double Complement(double x)
    {
        if (x < 1.25)
        {
            return 1 - Split - (Polynomial(MiddleNumerator, x - 1) / Polynomial(MiddleDenominator, x - 1));
        }

        if (x >= 28)
        {
            return 0;
        }

        double s = 1 / (x * x);
        double ratio = x < 1 / 0.35
            ? Polynomial(FarNumerator, s) / Polynomial(FarDenominator, s)
            : Polynomial(TailNumerator, s) / Polynomial(TailDenominator, s);
        // The square's leading bits are taken exactly, so that the exponential loses nothing.
        double leading = BitConverter.Int64BitsToDouble(BitConverter.DoubleToInt64Bits(x) & unchecked((long)0xffffffff00000000));
        return Math.Exp((-leading * leading) - 0.5625) * Math.Exp(((leading - x) * (leading + x)) + ratio) / x;
    }

    private static double Polynomial(ReadOnlySpan<double> coefficients, double x)
    {
        double sum = coefficients[^1];
        for (int i = coefficients.Length - 2; i >= 0; i--)
        {
            sum = (sum * x) + coefficients[i];
        }

        return sum;
    }
}
