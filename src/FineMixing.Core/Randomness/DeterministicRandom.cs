using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace FineMixing.Randomness;

/// <summary>A seeded random number generator that gives the same numbers on every machine and runtime: xoshiro256**.</summary>
/// <remarks>
/// D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 2021; seeded with SplitMix64 as its authors advise.
/// Take one generator per purpose (and per example, where results must not depend on the order of work) with <see cref="For"/>.
/// Not for cryptography; not safe for several threads at once.
/// </remarks>
public sealed class DeterministicRandom
{
    private ulong _s0, _s1, _s2, _s3;

    /// <summary>A generator whose numbers depend on the seed only.</summary>
    /// <param name="seed">Any value.</param>
    public DeterministicRandom(ulong seed)
    {
        _s0 = SplitMix64(ref seed);
        _s1 = SplitMix64(ref seed);
        _s2 = SplitMix64(ref seed);
        _s3 = SplitMix64(ref seed);
    }

    internal DeterministicRandom(ulong s0, ulong s1, ulong s2, ulong s3) => (_s0, _s1, _s2, _s3) = (s0, s1, s2, s3);

    /// <summary>An independent generator for one purpose, for example <c>For(seed, "few-shot", exampleKey)</c>.</summary>
    /// <param name="seed">The seed the user gave.</param>
    /// <param name="purpose">A name, so that two uses of one seed do not repeat each other's numbers.</param>
    /// <param name="index">Distinguishes items of the same purpose.</param>
    public static DeterministicRandom For(ulong seed, string purpose, ulong index = 0) => new(Key(seed, purpose, index));

    /// <summary>A 64-bit number that is as good as random but depends on the arguments only.</summary>
    /// <param name="seed">The seed the user gave.</param>
    /// <param name="purpose">A name.</param>
    /// <param name="index">Distinguishes items of the same purpose.</param>
    public static ulong Key(ulong seed, string purpose, ulong index = 0)
    {
        ArgumentNullException.ThrowIfNull(purpose);
        var bytes = Encoding.UTF8.GetBytes(purpose);
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(bytes, hash);
        var state = seed;
        var mixed = SplitMix64(ref state) ^ BitConverter.ToUInt64(hash);
        mixed = SplitMix64(ref mixed) ^ index;
        return SplitMix64(ref mixed);
    }

    /// <summary>64 random bits.</summary>
    public ulong NextUInt64()
    {
        var result = BitOperations.RotateLeft(_s1 * 5, 7) * 9;
        var t = _s1 << 17;
        _s2 ^= _s0;
        _s3 ^= _s1;
        _s1 ^= _s2;
        _s0 ^= _s3;
        _s2 ^= t;
        _s3 = BitOperations.RotateLeft(_s3, 45);
        return result;
    }

    /// <summary>A whole number from 0 to <paramref name="maxExclusive"/> - 1, all equally likely.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The limit is not positive.</exception>
    public int NextInt32(int maxExclusive)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxExclusive);
        // The upper half of a product is uniform once the few low values that would favour some results are drawn again (Lemire 2019).
        var range = (ulong)maxExclusive;
        var rejected = unchecked(0UL - range) % range;
        while (true)
        {
            var high = Math.BigMul(NextUInt64(), range, out var low);
            if (low >= rejected)
                return (int)high;
        }
    }

    /// <summary>A number from 0 (included) to 1 (excluded) with 53 random bits.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A normally distributed number with mean 0 and standard deviation 1 (Box-Muller).</summary>
    public double NextGaussian() => Math.Sqrt(-2 * Math.Log(1 - NextDouble())) * Math.Cos(2 * Math.PI * NextDouble());

    /// <summary>One item, all equally likely.</summary>
    /// <exception cref="ArgumentException">The list is empty.</exception>
    public T Pick<T>(IReadOnlyList<T> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        return items.Count > 0 ? items[NextInt32(items.Count)] : throw new ArgumentException("Nothing to pick from.", nameof(items));
    }

    /// <summary>Brings the items into a random order, all orders equally likely (Fisher-Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = NextInt32(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    internal static ulong SplitMix64(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
