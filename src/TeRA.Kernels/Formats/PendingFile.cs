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
        CheckPlace(path, overwrite);

        stream = Guard(() => new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
            PreallocationSize = bytes,
            BufferSize = 1 << 16,
        }));
    }

    /// <summary>Throws what the constructor would, and leaves nothing: for work that takes long before there is something to write.</summary>
    public static void Check(string path, bool overwrite) => new PendingFile(path, overwrite, 0).Dispose();

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

    /// <summary>Makes the folder that files are to be written into.</summary>
    public static void CreateFolder(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{folder}: the folder can't be made ({error.Message}).", error);
        }
    }

    /// <summary>Takes a folder away that was made for files which never came; one with something in it stays.</summary>
    public static void TryDeleteFolder(string folder)
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Somebody put something there, or took it away: no error of ours, and another one is on its way.
        }
    }

    private static void CheckPlace(string path, bool overwrite)
    {
        if (Directory.Exists(path))
        {
            throw new IOException($"{path}: there is already a folder of this name; choose another name.");
        }

        if (IsDevice(path))
        {
            throw new IOException($"{path}: files are written beside their place and renamed into it, which would replace the device; choose another name.");
        }

        if (!overwrite && File.Exists(path))
        {
            throw new OutputExistsException($"{path}: there is already a file of this name; choose another name or allow overwriting (--force in tera).");
        }
    }

    /// <summary>/dev/null, /dev/stdout and their like, which a user with all rights could rename a file over. /dev/shm holds files.</summary>
    private static bool IsDevice(string path)
    {
        string full = Path.GetFullPath(path);
        return !OperatingSystem.IsWindows() && full.StartsWith("/dev/", StringComparison.Ordinal) && !full.StartsWith("/dev/shm/", StringComparison.Ordinal);
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
