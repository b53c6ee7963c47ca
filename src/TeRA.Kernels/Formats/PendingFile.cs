namespace TeRA.Kernels.Formats;

/// <summary>
/// A file that is written beside its place, flushed to the disk, and renamed into place when it is whole. Without
/// <see cref="Publish"/>, disposal leaves no trace.
/// </summary>
internal sealed class PendingFile : IDisposable
{
    private readonly string path;
    private readonly string temporary;
    private readonly bool overwrite;
    private readonly FileStream stream;
    private bool published;

    /// <summary>Reserves the bytes where the file system can, so that a full disk shows before the work is done.</summary>
    public PendingFile(string path, bool overwrite, long bytes)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        this.path = path;
        this.overwrite = overwrite;
        temporary = $"{path}.{Path.GetRandomFileName()}.tmp";
        if (Directory.Exists(path) || (!overwrite && File.Exists(path)))
        {
            throw new IOException($"{path}: there is already a {(Directory.Exists(path) ? "folder" : "file")} of this name; choose another name{(overwrite ? string.Empty : " or allow overwriting (--force in tera)")}.");
        }

        stream = Guard(() => new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
            PreallocationSize = bytes,
            BufferSize = 1 << 16,
        }));
    }

    /// <summary>Writes all of the file and makes it last.</summary>
    public void Write(Action<Stream> write) => Guard(() =>
    {
        write(stream);
        stream.Flush(flushToDisk: true);
        stream.Dispose();
        return true;
    });

    /// <summary>Puts the file in its place.</summary>
    public void Publish()
    {
        Guard(() =>
        {
            File.Move(temporary, path, overwrite);
            return true;
        });
        published = true;
    }

    /// <summary>Takes a new file away again, because one that belongs to it failed.</summary>
    public void Retract()
    {
        if (published && !overwrite)
        {
            TryDelete(path);
        }
    }

    public void Dispose()
    {
        if (published)
        {
            return;
        }

        try
        {
            stream.Dispose();
        }
        catch (IOException)
        {
            // The rest of the buffer doesn't fit the disk either; the first error is on its way.
        }

        TryDelete(temporary);
    }

    private static void TryDelete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A file that can't be deleted must not hide the error that made us delete it.
        }
    }

    private T Guard<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            if (stream is null)
            {
                TryDelete(temporary);
            }

            string kept = File.Exists(path) ? "the file that is there is unchanged" : "nothing was left behind";
            throw new IOException($"{path}: the file can't be written ({error.Message}); {kept}.", error) { HResult = error.HResult };
        }
    }
}
