namespace FineMixing.Mixing;

/// <summary>Selection of the k smallest or largest of many non-negative numbers without sorting them.</summary>
internal static class OrderStatistics
{
    /// <summary>A bitmap of the k smallest or largest values; of equal values those of lower index.</summary>
    /// <param name="values">Not negative, no NaN: their bit patterns then order like the numbers.</param>
    /// <param name="k">How many, 0..count.</param>
    /// <param name="largest">Largest instead of smallest.</param>
    public static ulong[] Select(ReadOnlySpan<float> values, long k, bool largest)
    {
        var bits = new ulong[(values.Length + 63) / 64];
        if (k == 0)
            return bits;
        var flip = largest ? uint.MaxValue : 0;
        var (bound, below) = Bound(values, k, flip);
        var ties = k - below;
        for (var i = 0; i < values.Length; i++)
        {
            var key = Key(values[i]) ^ flip;
            if (key < bound || (key == bound && ties-- > 0))
                bits[i / 64] |= 1UL << (i % 64);
        }

        return bits;
    }

    // -0.0 and 0.0 are the same size.
    private static uint Key(float value) => BitConverter.SingleToUInt32Bits(value) & 0x7FFFFFFF;

    // The key of the k-th element and how many keys are below it: a histogram of the upper, then of the lower 16 bits.
    private static (uint Bound, long Below) Bound(ReadOnlySpan<float> values, long k, uint flip)
    {
        var histogram = new long[1 << 16];
        foreach (var value in values)
            histogram[(Key(value) ^ flip) >> 16]++;
        long below = 0;
        uint upper = 0;
        while (below + histogram[upper] < k)
            below += histogram[upper++];
        Array.Clear(histogram);
        foreach (var value in values)
        {
            var key = Key(value) ^ flip;
            if (key >> 16 == upper)
                histogram[key & 0xFFFF]++;
        }

        uint lower = 0;
        while (below + histogram[lower] < k)
            below += histogram[lower++];
        return ((upper << 16) | lower, below);
    }
}
