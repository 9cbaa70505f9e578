namespace FineMixing.Mixing;

/// <summary>Exact-count masks: a rank for each element from a counter, and the rank below which exactly k elements lie.</summary>
internal static class RankSelection
{
    /// <summary>A bijection of the index: no two elements of a tensor have the same rank.</summary>
    public static ulong Rank(ulong key, ulong index) => MaskKernels.Word(key, index);

    public static void FillLanes(ulong key, ulong bound, ulong start, Span<ushort> lanes)
    {
        for (var i = 0; i < lanes.Length; i++)
            lanes[i] = Rank(key, start + (ulong)i) < bound ? ushort.MaxValue : (ushort)0;
    }

    /// <summary>The bound with exactly <paramref name="kept"/> of <paramref name="count"/> ranks below it (0 &lt; kept &lt; count).</summary>
    /// <remarks>Two passes over the counter and memory for about count / 65536 ranks: nothing is held per element.</remarks>
    public static ulong Bound(ulong key, long count, long kept)
    {
        var histogram = new long[1 << 16];
        for (long i = 0; i < count; i++)
            histogram[Rank(key, (ulong)i) >> 48]++;
        var bucket = 0;
        var below = kept;
        while (below >= histogram[bucket])
            below -= histogram[bucket++];

        // The element of position `below` (from 0) within this bucket is the first that is not kept.
        var ranks = new List<ulong>((int)Math.Min(histogram[bucket], int.MaxValue / 16));
        for (long i = 0; i < count; i++)
        {
            var rank = Rank(key, (ulong)i);
            if (rank >> 48 == (ulong)bucket)
                ranks.Add(rank);
        }

        ranks.Sort();
        return ranks[(int)below];
    }
}
