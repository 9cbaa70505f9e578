using FineMixing.Randomness;

namespace FineMixing.Torch.FineTuning;

/// <summary>Cuts a data set into batches of similar length, in a seeded random order.</summary>
internal static class BatchPlan
{
    private const int BatchesPerPool = 64;
    private const double LengthNoise = 0.2;

    /// <summary>The batches of one epoch, as indices into the data.</summary>
    /// <remarks>
    /// The data is shuffled and cut into pools; within a pool, samples are sorted by length times a random factor, so that rows of a batch
    /// need little padding while their company still changes from epoch to epoch. The order of batches is shuffled.
    /// </remarks>
    public static List<int[]> Epoch(IReadOnlyList<int> lengths, int batchSize, ulong seed, int epoch)
    {
        var random = new BatchRandom(seed, epoch);
        var order = Enumerable.Range(0, lengths.Count).ToArray();
        random.Shuffle(order);
        var batches = new List<int[]>();
        foreach (var pool in order.Chunk((int)Math.Min(int.MaxValue, (long)batchSize * BatchesPerPool)))
        {
            var keys = Array.ConvertAll(pool, i => lengths[i] * (1 + (LengthNoise * (random.NextDouble() - 0.5))));
            Array.Sort(keys, pool);
            batches.AddRange(pool.Chunk(batchSize));
        }

        var sequence = batches.ToArray();
        random.Shuffle(sequence);
        return [.. sequence];
    }

    // The order of batches is part of every published result, so this keeps its own way to draw from SplitMix64.
    private sealed class BatchRandom(ulong seed, int epoch)
    {
        private ulong _state = (seed * 0xD1342543DE82EF95UL) + (ulong)(uint)epoch;

        public double NextDouble() => (DeterministicRandom.SplitMix64(ref _state) >> 11) * (1.0 / (1UL << 53));

        public void Shuffle<T>(T[] items)
        {
            for (var i = items.Length - 1; i > 0; i--)
            {
                var j = (int)(NextDouble() * (i + 1));
                (items[i], items[j]) = (items[j], items[i]);
            }
        }
    }
}
