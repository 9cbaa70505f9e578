namespace FineMixing.Mixing;

/// <summary>Selection of the k smallest or largest of many numbers, by their size without sign, without sorting them.</summary>
internal static class OrderStatistics
{
    /// <summary>A bitmap of the k smallest or largest values; of equal values those of lower index.</summary>
    /// <param name="values">No NaN: without the sign their bit patterns order like their sizes.</param>
    /// <param name="k">How many, 0..count.</param>
    /// <param name="largest">Largest instead of smallest.</param>
    public static ulong[] Select(ReadOnlySpan<float> values, long k, bool largest)
    {
        var bits = new ulong[(values.Length + 63) / 64];
        var threshold = Threshold(values, k, largest);
        for (var i = 0; i < values.Length; i++)
        {
            if (threshold.Takes(values[i]))
                bits[i / 64] |= 1UL << (i % 64);
        }

        return bits;
    }

    /// <summary>What tells the k smallest or largest values, when asked for each in order.</summary>
    /// <inheritdoc cref="Select" path="/param"/>
    public static SizeThreshold Threshold(ReadOnlySpan<float> values, long k, bool largest)
    {
        var flip = largest ? uint.MaxValue : 0;
        if (k == 0)
            return new SizeThreshold(flip, 0, 0);

        // Digit by digit from the highest: the digit of the k-th key, and how many keys with the same digits before it are below. Counters of 11 bits stay in the first-level cache.
        uint bound = 0;
        long below = 0;
        Span<int> histogram = stackalloc int[1 << 11];
        foreach (var (shift, digitBits) in ((int, int)[])[(21, 11), (10, 11), (0, 10)])
        {
            histogram.Clear();
            var mask = (1u << digitBits) - 1;
            var higher = shift + digitBits == 32 ? 0 : uint.MaxValue << (shift + digitBits);
            foreach (var value in values)
            {
                var key = SizeThreshold.Key(value) ^ flip;
                if ((key & higher) == bound)
                    histogram[(int)(key >> shift & mask)]++;
            }

            uint digit = 0;
            while (below + histogram[(int)digit] < k)
                below += histogram[(int)digit++];
            bound |= digit << shift;
        }

        return new SizeThreshold(flip, bound, k - below);
    }
}

/// <summary>Tells the smallest or largest of values that it is asked for in order; of those that are equal the first.</summary>
/// <param name="flip">All bits set for the largest, none for the smallest.</param>
/// <param name="bound">The key of the last that is taken.</param>
/// <param name="ties">How many of those with that key are taken.</param>
internal struct SizeThreshold(uint flip, uint bound, long ties)
{
    /// <summary>A number that orders like the size of a value; -0.0 and 0.0 are the same size.</summary>
    public static uint Key(float value) => BitConverter.SingleToUInt32Bits(value) & 0x7FFFFFFF;

    /// <summary>Whether the next value is one of them.</summary>
    public bool Takes(float value)
    {
        var key = Key(value) ^ flip;
        return key < bound || (key == bound && ties-- > 0);
    }
}
