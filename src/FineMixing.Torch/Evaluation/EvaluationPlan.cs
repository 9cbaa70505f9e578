namespace FineMixing.Torch.Evaluation;

/// <summary>Cuts texts into evaluation batches. What a batch holds depends on the texts alone, never on the number of threads.</summary>
internal static class EvaluationPlan
{
    /// <summary>Batches of about equal size for texts that lie end to end without padding, longest text first.</summary>
    /// <remarks>
    /// Large batches multiply faster, many keep more threads busy: a batch holds 6.5 times the square root of all tokens (measured with two threads), at least 128 tokens.
    /// There are 1, 2, 4 or a multiple of 8 batches, so that two, four or eight threads end together.
    /// </remarks>
    /// <param name="lengths">Tokens of each text, at least 1.</param>
    /// <param name="tokensPerBatch">The most tokens in one batch, or one text.</param>
    public static List<int[]> EndToEnd(IReadOnlyList<int> lengths, int tokensPerBatch)
    {
        var order = Enumerable.Range(0, lengths.Count).OrderByDescending(i => lengths[i]).ToArray();
        var total = lengths.Sum(l => (long)l);
        var wanted = total / Math.Min(tokensPerBatch, Math.Max(128, 6.5 * Math.Sqrt(total)));
        var count = wanted > 8 ? 8 * (int)Math.Round(wanted / 8) : 1 << (int)Math.Round(Math.Log2(Math.Max(1, wanted)));
        var batches = Deal(order, lengths, count);
        while (batches.Any(b => b.Count > 1 && b.Sum(i => (long)lengths[i]) > tokensPerBatch))
        {
            // Many batches grow by a fiftieth: each try looks at every text.
            count = count < 8 ? 2 * count : 8 * ((count / 8) + 1 + (count / 400));
            batches = Deal(order, lengths, count);
        }

        return [.. batches.Where(b => b.Count > 0).Select(b => b.ToArray())];
    }

    // Each text goes to the batch that is smallest so far.
    private static List<int>[] Deal(int[] order, IReadOnlyList<int> lengths, int count)
    {
        var batches = new List<int>[count];
        var smallest = new PriorityQueue<int, (long Tokens, int Batch)>();
        for (var batch = 0; batch < count; batch++)
        {
            batches[batch] = [];
            smallest.Enqueue(batch, (0, batch));
        }

        foreach (var i in order)
        {
            smallest.TryDequeue(out var batch, out var load);
            batches[batch].Add(i);
            smallest.Enqueue(batch, (load.Tokens + lengths[i], batch));
        }

        return batches;
    }

    /// <summary>Batches for texts that are padded to the longest of their batch, so that padding and the fixed cost of batches together are least: indices into the texts; each holds at most <paramref name="tokensPerBatch"/> tokens, padding included, or one text.</summary>
    /// <param name="lengths">Tokens of each text.</param>
    /// <param name="tokensPerBatch">The memory bound.</param>
    /// <param name="batchCost">What a batch costs besides its tokens, in tokens.</param>
    public static List<int[]> Padded(IReadOnlyList<int> lengths, int tokensPerBatch, int batchCost)
    {
        var order = Enumerable.Range(0, lengths.Count).OrderByDescending(i => lengths[i]).ToArray();

        // The least cost of the first i texts, and where the last of their batches begins.
        var least = new long[order.Length + 1];
        var begin = new int[order.Length + 1];
        Array.Fill(least, long.MaxValue, 1, order.Length);
        for (var first = 0; first < order.Length; first++)
        {
            var longest = lengths[order[first]];
            var most = Math.Clamp(tokensPerBatch / longest, 1, order.Length - first);
            for (var rows = 1; rows <= most; rows++)
            {
                var cost = least[first] + batchCost + ((long)rows * longest);
                if (cost < least[first + rows])
                    (least[first + rows], begin[first + rows]) = (cost, first);
            }
        }

        var batches = new List<int[]>();
        for (var end = order.Length; end > 0; end = begin[end])
            batches.Add(order[begin[end]..end]);
        batches.Reverse();
        return batches;
    }
}
