using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Mixing;

/// <summary>Mixes what is planned, window after window, by as many threads as there are.</summary>
internal static class FileMixingRun
{
    // Some megabytes: a collection keeps about three.
    private const int GarbageBytes = 6 << 20;

    // Whole tensors that are mixed at the same time may have as much together.
    private const int LeastWholeBytes = 64 << 20;

    public static void Run(MixPlan plan, ICheckpoint suspect, ICheckpoint @base, IReadOnlyList<ICheckpoint> others, ShardPlan shards, OutputTransaction output, int chunkBytes, MixingHashes? hashes, IProgress<MixingProgress>? progress, CancellationToken ct)
    {
        var total = plan.TotalBytes;
        long done = 0;
        var reporting = new object();

        // Whole tensors can be large: at the same time no more of them than the largest takes, and the hashing afterwards.
        var wholeTensors = plan.Tensors.Any(plan.IsInOnePiece);
        var budget = wholeTensors ? new ByteBudget(Math.Max(LeastWholeBytes, plan.Tensors.Max(t => t.Suspect.ByteLength) + chunkBytes)) : null;
        using var garbage = new GarbageBound(GarbageBytes);
        using var buffers = new ThreadLocal<ChunkBuffers>(() => new ChunkBuffers(others.Count + 2), trackAllValues: true);
        try
        {
            WorkerThreads.Run(Windows(), plan.Options.ThreadCount, Mix, ct);
        }
        finally
        {
            foreach (var own in buffers.Values)
                own.Dispose();
        }

        void Mix(MixingWindow window)
        {
            if (budget is null)
                window.Mix(plan, suspect, @base, others, buffers.Value!);
            else
                MixWithin(budget, window);

            long now;
            lock (reporting)
            {
                now = done += window.Length;
                progress?.Report(new MixingProgress(now, total));
            }

            garbage.Note();
            if (!wholeTensors && window.File.Hash is { } hash)
                hashes!.KeepUp((double)now / total, hash, window.File.Front.Add(window.Offset, window.Offset + window.Length));
        }

        void MixWithin(ByteBudget budget, MixingWindow window)
        {
            budget.Use(window.Length, () => window.Mix(plan, suspect, @base, others, buffers.Value!));
            buffers.Value!.DropLargerThan(LeastWholeBytes);
        }

        IEnumerable<MixingWindow> Windows()
        {
            var plans = plan.Tensors.ToDictionary(t => t.Suspect.Name, StringComparer.Ordinal);
            TensorMixing? mixing = null;
            foreach (var file in shards.Files)
            {
                var handle = output.Create(file.FileName, file.Layout.TotalLength);
                file.Layout.WriteHeader(handle);
                var target = new OutputFile(handle, hashes?.AddOutput(file.FileName, handle, file.Layout.TotalLength), new WrittenFront(file.Layout.HeaderLength), output.FlushToDisk);
                var cuts = FileWindows.Cut(file.Layout.Entries, t => plan.IsInOnePiece(plans[t.Name]), chunkBytes);
                foreach (var pieces in FileWindows.Gather(cuts, chunkBytes))
                {
                    var mixings = new TensorMixing[pieces.Length];
                    for (var i = 0; i < mixings.Length; i++)
                    {
                        // One tensor is prepared after the other, not all before the first is mixed.
                        if (mixing?.Plan.Suspect != pieces[i].Tensor)
                            mixing = new TensorMixing(plan, plans[pieces[i].Tensor.Name]);
                        mixings[i] = mixing;
                    }

                    yield return new MixingWindow(pieces, mixings, target);
                }
            }
        }
    }
}
