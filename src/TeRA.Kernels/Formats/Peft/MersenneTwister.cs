namespace TeRA.Kernels.Formats;

/// <summary>MT19937 as published by Matsumoto and Nishimura, seeded as PyTorch's CPU generator is: by the low 32 bits of the seed.</summary>
internal sealed class MersenneTwister
{
    private const int Length = 624;
    private const int Shift = 397;
    private const uint Multiplier = 1_812_433_253;
    private const uint Twist = 0x9908b0df;
    private readonly uint[] state = new uint[Length];
    private int next = Length;

    public MersenneTwister(uint seed)
    {
        state[0] = seed;
        for (int i = 1; i < Length; i++)
        {
            state[i] = (Multiplier * (state[i - 1] ^ (state[i - 1] >> 30))) + (uint)i;
        }
    }

    /// <summary>The next 32 bits.</summary>
    public uint Next()
    {
        if (next == Length)
        {
            Advance();
        }

        uint word = state[next++];
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c5680;
        word ^= (word << 15) & 0xefc60000;
        return word ^ (word >> 18);
    }

    private void Advance()
    {
        for (int i = 0; i < Length; i++)
        {
            uint joined = (state[i] & 0x80000000) | (state[(i + 1) % Length] & 0x7fffffff);
            state[i] = state[(i + Shift) % Length] ^ (joined >> 1) ^ ((joined & 1) * Twist);
        }

        next = 0;
    }
}
